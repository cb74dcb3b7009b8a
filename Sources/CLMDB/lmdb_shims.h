#pragma once
#include <errno.h>
#include <linux/falloc.h>
#include <lmdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/// Declared here because <fcntl.h> does so only under _GNU_SOURCE, which a header cannot turn on for its importer.
extern int fallocate(int descriptor, int mode, __off_t offset, __off_t length);

/// The magic number of the file system that holds `path`, or -1 with `errno` set. A shim because `statfs` is both a function
/// and a structure whose `f_type` differs in width and sign between architectures.
static inline long long strongroom_file_system_magic(const char *path) {
    struct statfs information;
    if (statfs(path, &information) != 0) {
        return -1;
    }
    return (long long)(unsigned int)information.f_type;
}

/// LMDB checks the pages it walks with assertions that end the process, so one damaged page would take the daemon down. The
/// assertion callback may not return, but it may jump: while a guarded call below is on this thread's stack, `key` holds the place
/// to jump to, and the call answers MDB_CORRUPTED. Only reads are guarded: they hold no lock, no memory and no half-made change,
/// while a jump out of a change would leave LMDB's cursor lists pointing into a dead stack frame. Elsewhere the process ends as before.
static inline void strongroom_assertion_failed(MDB_env *environment, const char *message) {
    (void)message;
    jmp_buf *guard = (jmp_buf *)pthread_getspecific((pthread_key_t)(uintptr_t)mdb_env_get_userctx(environment));
    if (guard != NULL) {
        longjmp(*guard, 1);
    }
}

/// Makes failed assertions inside the guarded calls come back as MDB_CORRUPTED.
static inline int strongroom_guard_assertions(MDB_env *environment, pthread_key_t key) {
    int code = mdb_env_set_userctx(environment, (void *)(uintptr_t)key);
    return code != MDB_SUCCESS ? code : mdb_env_set_assert(environment, strongroom_assertion_failed);
}

/// `mdb_get`, guarded.
static inline int strongroom_get(pthread_key_t key, MDB_txn *transaction, MDB_dbi table, MDB_val *name, MDB_val *value) {
    jmp_buf guard;
    if (_setjmp(guard) != 0) {
        pthread_setspecific(key, NULL);
        return MDB_CORRUPTED;
    }
    pthread_setspecific(key, &guard);
    int code = mdb_get(transaction, table, name, value);
    pthread_setspecific(key, NULL);
    return code;
}

/// `mdb_cursor_get`, guarded.
static inline int strongroom_cursor_get(
    pthread_key_t key, MDB_cursor *cursor, MDB_val *name, MDB_val *value, MDB_cursor_op operation) {
    jmp_buf guard;
    if (_setjmp(guard) != 0) {
        pthread_setspecific(key, NULL);
        return MDB_CORRUPTED;
    }
    pthread_setspecific(key, &guard);
    int code = mdb_cursor_get(cursor, name, value, operation);
    pthread_setspecific(key, NULL);
    return code;
}

/// True if the file system or the quota of an open file has no room for `bytes` more. Asks for them beyond the end of the file,
/// where nothing reads, and gives them back.
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
