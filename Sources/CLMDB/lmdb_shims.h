#pragma once
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/stat.h>
#include <lmdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/// Declared here because <fcntl.h> does so only under _GNU_SOURCE, which a header cannot turn on for its importer.
extern int fallocate(int descriptor, int mode, __off_t offset, __off_t length);
/// Likewise, from <sys/stat.h>.
extern int statx(int directory, const char *path, int flags, unsigned int mask, struct statx *information);

/// When the file at `path` was made, in nanoseconds since 1970; 0 where the file system does not say, -1 with `errno`
/// set. A shim because Swift's Glibc module leaves `statx` out.
static inline long long strongroom_birth_time(const char *path) {
    struct statx information;
    if (statx(AT_FDCWD, path, 0, STATX_BTIME, &information) != 0) return -1;
    if (!(information.stx_mask & STATX_BTIME)) return 0;
    return information.stx_btime.tv_sec * 1000000000LL + information.stx_btime.tv_nsec;
}

/// The magic number of the file system that holds `path`, or -1 with `errno` set. A shim because `statfs` is both a
/// function and a structure whose `f_type` differs in width and sign between architectures.
static inline long long strongroom_file_system_magic(const char *path) {
    struct statfs information;
    if (statfs(path, &information) != 0) {
        return -1;
    }
    return (long long)(unsigned int)information.f_type;
}

// Damaged pages. LMDB has no checksums and trusts what it walks: a damaged page makes it fail an assertion, which ends
// the process, or follow an offset out of the file, which is SIGSEGV or SIGBUS. While a guarded call below is on a
// thread's stack, the thread-specific value `key` holds a place to jump back to, and the call answers MDB_CORRUPTED
// instead. A read can be jumped out of at no cost: it holds no lock, no memory and no half-made change. A jump out of a
// change leaves LMDB's cursor lists pointing into a dead stack frame: its transaction must never be touched again, not
// even to abort it (STRONGROOM_ABANDONED). Everywhere else assertions and signals do what they did before.

/// The change was jumped out of: leave the transaction as it is, end the thread (which gives up LMDB's robust mutex), and
/// reopen the environment. Far from LMDB's own codes and from errno.
#define STRONGROOM_ABANDONED (-40000)

/// What the signal handler needs: the key, and what SIGSEGV and SIGBUS did before. Inside a function, because Swift
/// emits no variables of a header.
struct strongroom_guard_state {
    pthread_key_t key;
    struct sigaction previous_segv, previous_bus;
};
static inline struct strongroom_guard_state *strongroom_guard_state(void) {
    static struct strongroom_guard_state state;
    return &state;
}

/// Jumps back into the guarded call on this thread's stack, if there is one.
static inline void strongroom_jump_back(pthread_key_t key) {
    jmp_buf *guard = (jmp_buf *)pthread_getspecific(key);
    if (guard != NULL) {
        pthread_setspecific(key, NULL);
        longjmp(*guard, 1);
    }
}

/// LMDB ends the process if this returns.
static inline void strongroom_assertion_failed(MDB_env *environment, const char *message) {
    (void)message;
    strongroom_jump_back((pthread_key_t)(uintptr_t)mdb_env_get_userctx(environment));
}

/// A fault in nobody's guarded call goes to the earlier handler: the instruction runs again and faults again.
static inline void strongroom_fault(int number) {
    struct strongroom_guard_state *state = strongroom_guard_state();
    strongroom_jump_back(state->key);
    sigaction(number, number == SIGSEGV ? &state->previous_segv : &state->previous_bus, NULL);
}

/// Creates the key and installs the handlers; once per process. SA_NODEFER, because the jump does not restore the
/// signal mask.
static inline int strongroom_guard_faults(pthread_key_t *key) {
    int code = pthread_key_create(key, NULL);
    if (code != 0) {
        return code;
    }
    struct strongroom_guard_state *state = strongroom_guard_state();
    state->key = *key;
    struct sigaction action = {.sa_handler = strongroom_fault, .sa_flags = SA_NODEFER | SA_ONSTACK};
    if (sigaction(SIGSEGV, &action, &state->previous_segv) != 0 ||
        sigaction(SIGBUS, &action, &state->previous_bus) != 0) {
        return errno;
    }
    return 0;
}

/// Makes failed assertions inside the guarded calls come back as MDB_CORRUPTED.
static inline int strongroom_guard_assertions(MDB_env *environment, pthread_key_t key) {
    int code = mdb_env_set_userctx(environment, (void *)(uintptr_t)key);
    return code != MDB_SUCCESS ? code : mdb_env_set_assert(environment, strongroom_assertion_failed);
}

/// Faults inside the guard rather than at the caller if the ends of what LMDB found lie outside the file.
static inline void strongroom_touch(const MDB_val *found) {
    if (found->mv_size > 0) {
        const volatile unsigned char *bytes = (const volatile unsigned char *)found->mv_data;
        (void)bytes[0];
        (void)bytes[found->mv_size - 1];
    }
}

/// `mdb_get`, guarded.
static inline int strongroom_get(
    pthread_key_t key, MDB_txn *transaction, MDB_dbi table, MDB_val *name, MDB_val *value) {
    jmp_buf guard;
    if (_setjmp(guard) != 0) {
        return MDB_CORRUPTED;
    }
    pthread_setspecific(key, &guard);
    int code = mdb_get(transaction, table, name, value);
    if (code == MDB_SUCCESS) {
        strongroom_touch(value);
    }
    pthread_setspecific(key, NULL);
    return code;
}

/// `mdb_cursor_get`, guarded.
static inline int strongroom_cursor_get(
    pthread_key_t key, MDB_cursor *cursor, MDB_val *name, MDB_val *value, MDB_cursor_op operation) {
    jmp_buf guard;
    if (_setjmp(guard) != 0) {
        return MDB_CORRUPTED;
    }
    pthread_setspecific(key, &guard);
    int code = mdb_cursor_get(cursor, name, value, operation);
    if (code == MDB_SUCCESS) {
        strongroom_touch(name);
        strongroom_touch(value);
    }
    pthread_setspecific(key, NULL);
    return code;
}

/// `mdb_put`, guarded; see STRONGROOM_ABANDONED.
static inline int strongroom_put(
    pthread_key_t key, MDB_txn *transaction, MDB_dbi table, MDB_val *name, MDB_val *value, unsigned int flags) {
    jmp_buf guard;
    if (_setjmp(guard) != 0) {
        return STRONGROOM_ABANDONED;
    }
    pthread_setspecific(key, &guard);
    int code = mdb_put(transaction, table, name, value, flags);
    pthread_setspecific(key, NULL);
    return code;
}

/// `mdb_del`, guarded; see STRONGROOM_ABANDONED.
static inline int strongroom_delete(pthread_key_t key, MDB_txn *transaction, MDB_dbi table, MDB_val *name) {
    jmp_buf guard;
    if (_setjmp(guard) != 0) {
        return STRONGROOM_ABANDONED;
    }
    pthread_setspecific(key, &guard);
    int code = mdb_del(transaction, table, name, NULL);
    pthread_setspecific(key, NULL);
    return code;
}

/// `mdb_dbi_open` of an existing table, guarded.
static inline int strongroom_open_table(
    pthread_key_t key, MDB_txn *transaction, const char *name, unsigned int flags, MDB_dbi *table) {
    jmp_buf guard;
    if (_setjmp(guard) != 0) {
        return MDB_CORRUPTED;
    }
    pthread_setspecific(key, &guard);
    int code = mdb_dbi_open(transaction, name, flags & ~(unsigned int)MDB_CREATE, table);
    pthread_setspecific(key, NULL);
    return code;
}

/// True if the file system or the quota of an open file has no room for `bytes` more. Asks for them beyond the end of
/// the file, where nothing reads, and gives them back.
static inline int strongroom_is_full(int descriptor, long bytes) {
    struct stat status;
    if (fstat(descriptor, &status) != 0) {
        return 0;
    }
    if (fallocate(descriptor, FALLOC_FL_KEEP_SIZE, status.st_size, bytes) != 0) {
        return errno == ENOSPC || errno == EDQUOT;
    }
    (void)fallocate(descriptor, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, status.st_size, bytes);
    return 0;
}
