// Records what a process does to the files below one directory, for replay.c: LD_PRELOAD this.
//
//   RECORD_ROOT  absolute path without links; only files below it are recorded
//   RECORD_LOG   the log; every process of a run, and the client that marks acknowledgements, appends to it
//
// Each event is one append to the log, so the kernel orders events of threads and processes. Everything is logged after
// it returned and before the caller goes on; a flush is logged before and after, since it covers only what came before.
// Writes on a descriptor opened with O_DSYNC or O_SYNC are durable when they return and log a second event.
// Memory maps are not seen: the store never writes through one.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "events.h"

enum { DESCRIPTORS = 65536 };

struct file {
    uint64_t inode;     // 0: not ours
    int is_directory;
    int is_synchronous; // O_DSYNC or O_SYNC
    char *path;         // relative to the root
};

static struct file files[DESCRIPTORS];
static char root[PATH_MAX];
static size_t root_length;
static int log_descriptor = -1;
static atomic_uint_fast64_t operations;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (!function) abort();
    return function;
}

__attribute__((constructor)) static void start(void) {
    const char *where = getenv("RECORD_ROOT"), *log = getenv("RECORD_LOG");
    if (!where || !log) return;
    int opened = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (opened < 0) abort();
    log_descriptor = (int)syscall(SYS_fcntl, opened, F_DUPFD_CLOEXEC, 900);
    syscall(SYS_close, opened);
    snprintf(root, sizeof root, "%s/", where);
    root_length = strlen(root);
    atomic_store(&operations, (uint64_t)getpid() << 32);
}

static int is_recording(void) { return log_descriptor >= 0; }

static uint64_t next_operation(void) { return atomic_fetch_add(&operations, 1) + 1; }

static void emit(struct event event, const struct iovec *parts, int count) {
    struct iovec all[IOV_MAX];
    int error = errno;
    event.magic = EVENT_MAGIC;
    event.size = 0;
    all[0] = (struct iovec){&event, sizeof event};
    for (int i = 0; i < count; i++) {
        all[i + 1] = parts[i];
        event.size += parts[i].iov_len;
    }
    ssize_t written = syscall(SYS_writev, log_descriptor, all, count + 1);
    if (written != (ssize_t)(sizeof event + event.size)) abort();
    errno = error;
}

static void emit_path(uint8_t kind, uint64_t inode, const char *path) {
    struct iovec part = {(void *)path, strlen(path)};
    emit((struct event){.kind = kind, .inode = inode, .operation = next_operation()}, &part, 1);
}

// Paths

/// The part of a path below the root, in a buffer of the caller; NULL where it lies elsewhere.
static char *below_root(int directory, const char *path, char *buffer) {
    char whole[PATH_MAX], parent[PATH_MAX];
    if (path[0] == '/') {
        snprintf(whole, sizeof whole, "%s", path);
    } else if (directory == AT_FDCWD) {
        if (!getcwd(parent, sizeof parent)) return NULL;
        if (snprintf(whole, sizeof whole, "%s/%s", parent, path) >= (int)sizeof whole) return NULL;
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
        ssize_t length = readlink(link, parent, sizeof parent - 1);
        if (length < 0) return NULL;
        parent[length] = 0;
        if (snprintf(whole, sizeof whole, "%s/%s", parent, path) >= (int)sizeof whole) return NULL;
    }
    // The last part may not exist; its directory does.
    size_t length = strlen(whole);
    while (length > 1 && whole[length - 1] == '/') whole[--length] = 0;
    char *slash = strrchr(whole, '/');
    if (!slash || slash == whole) return NULL;
    *slash = 0;
    if (!realpath(whole, parent)) return NULL;
    if (snprintf(buffer, PATH_MAX, "%s/%s", parent, slash + 1) >= PATH_MAX) return NULL;
    if (strlen(buffer) + 1 == root_length && strncmp(buffer, root, root_length - 1) == 0) {
        buffer[0] = 0;
        return buffer;
    }
    if (strncmp(buffer, root, root_length) != 0) return NULL;
    memmove(buffer, buffer + root_length, strlen(buffer + root_length) + 1);
    return buffer;
}

// Opening and closing

static void opened(int descriptor, const char *path, int flags, int existed) {
    struct stat status;
    if (descriptor >= DESCRIPTORS || fstat(descriptor, &status) != 0) return;
    int is_directory = S_ISDIR(status.st_mode);
    if (!is_directory && !S_ISREG(status.st_mode)) return;
    struct file *file = &files[descriptor];
    free(file->path);
    *file = (struct file){
        .inode = status.st_ino, .is_directory = is_directory, .is_synchronous = (flags & O_DSYNC) != 0,
        .path = strdup(path)};
    if (!existed) {
        emit_path(EVENT_CREATE, status.st_ino, path);
    } else if (flags & O_TRUNC) {
        emit((struct event){.kind = EVENT_TRUNCATE, .inode = status.st_ino, .operation = next_operation()}, NULL, 0);
    }
}

static int open_recorded(int directory, const char *path, int flags, mode_t mode) {
    char buffer[PATH_MAX], *below = is_recording() ? below_root(directory, path, buffer) : NULL;
    struct stat status;
    int existed = !below || fstatat(directory, path, &status, 0) == 0;
    int descriptor = (int)syscall(SYS_openat, directory, path, flags, mode);
    if (descriptor < 0) return -1;
    if (below && !(flags & O_PATH)) opened(descriptor, below, flags, existed);
    return descriptor;
}

#define MODE_ARGUMENT(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list arguments; \
        va_start(arguments, flags); \
        mode = va_arg(arguments, mode_t); \
        va_end(arguments); \
    }

int open(const char *path, int flags, ...) { MODE_ARGUMENT(flags) return open_recorded(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE_ARGUMENT(flags) return open_recorded(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE_ARGUMENT(flags) return open_recorded(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE_ARGUMENT(flags) return open_recorded(at, path, flags, mode); }
int __open_2(const char *path, int flags) { return open_recorded(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return open_recorded(AT_FDCWD, path, flags, 0); }
int __openat_2(int at, const char *path, int flags) { return open_recorded(at, path, flags, 0); }
int __openat64_2(int at, const char *path, int flags) { return open_recorded(at, path, flags, 0); }
int creat(const char *path, mode_t mode) { return open_recorded(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

int close(int descriptor) {
    if (descriptor >= 0 && descriptor < DESCRIPTORS && descriptor != log_descriptor) files[descriptor].inode = 0;
    return REAL(close)(descriptor);
}

// Writing

static struct file *recorded(int descriptor) {
    if (descriptor < 0 || descriptor >= DESCRIPTORS || !files[descriptor].inode) return NULL;
    return &files[descriptor];
}

static void written(struct file *file, off_t offset, const struct iovec *parts, int count, ssize_t size) {
    struct iovec kept[IOV_MAX];
    int used = 0;
    ssize_t left = size;
    for (int i = 0; i < count && left > 0; i++) {
        kept[used] = parts[i];
        if ((ssize_t)kept[used].iov_len > left) kept[used].iov_len = (size_t)left;
        left -= (ssize_t)kept[used++].iov_len;
    }
    struct event event = {
        .kind = EVENT_WRITE, .inode = file->inode, .offset = (uint64_t)offset, .operation = next_operation()};
    emit(event, kept, used);
    if (file->is_synchronous) {
        event.kind = EVENT_WRITE_DURABLE;
        emit(event, NULL, 0);
    }
}

/// Where a write without an offset went, now that it has moved the descriptor's position.
static off_t before(int descriptor, ssize_t size) { return lseek(descriptor, 0, SEEK_CUR) - size; }

ssize_t write(int descriptor, const void *bytes, size_t size) {
    ssize_t result = REAL(write)(descriptor, bytes, size);
    struct file *file = recorded(descriptor);
    if (file && result > 0) {
        struct iovec part = {(void *)bytes, size};
        written(file, before(descriptor, result), &part, 1, result);
    }
    return result;
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    ssize_t result = REAL(writev)(descriptor, parts, count);
    struct file *file = recorded(descriptor);
    if (file && result > 0) written(file, before(descriptor, result), parts, count, result);
    return result;
}

static ssize_t pwrite_recorded(int descriptor, const void *bytes, size_t size, off_t offset) {
    ssize_t result = syscall(SYS_pwrite64, descriptor, bytes, size, offset);
    struct file *file = recorded(descriptor);
    if (file && result > 0) {
        struct iovec part = {(void *)bytes, size};
        written(file, offset, &part, 1, result);
    }
    return result;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t size, off_t offset) {
    return pwrite_recorded(descriptor, bytes, size, offset);
}
ssize_t pwrite64(int descriptor, const void *bytes, size_t size, off64_t offset) {
    return pwrite_recorded(descriptor, bytes, size, offset);
}

ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t offset) {
    ssize_t result = REAL(pwritev)(descriptor, parts, count, offset);
    struct file *file = recorded(descriptor);
    if (file && result > 0) written(file, offset, parts, count, result);
    return result;
}
ssize_t pwritev64(int descriptor, const struct iovec *parts, int count, off64_t offset) {
    return pwritev(descriptor, parts, count, offset);
}

int ftruncate(int descriptor, off_t size) {
    int result = REAL(ftruncate)(descriptor, size);
    struct file *file = recorded(descriptor);
    if (file && result == 0) {
        emit((struct event){.kind = EVENT_TRUNCATE, .inode = file->inode, .offset = (uint64_t)size,
                            .operation = next_operation()}, NULL, 0);
    }
    return result;
}
int ftruncate64(int descriptor, off64_t size) { return ftruncate(descriptor, size); }

// Flushing

static int flush(int descriptor, int (*body)(int)) {
    struct file *file = recorded(descriptor);
    if (!file) return body(descriptor);
    struct event event = {.kind = EVENT_SYNC_BEGIN, .inode = file->inode, .operation = next_operation()};
    struct iovec path = {file->path, strlen(file->path)};
    event.is_directory = (uint8_t)file->is_directory;
    emit(event, &path, 1);
    int result = body(descriptor);
    event.kind = EVENT_SYNC_END;
    if (result == 0) emit(event, &path, 1);
    return result;
}

int fsync(int descriptor) { return flush(descriptor, REAL(fsync)); }
int fdatasync(int descriptor) { return flush(descriptor, REAL(fdatasync)); }

// Names

/// Renames (SYS_renameat2) or links (SYS_linkat).
static int name_recorded(
    long call, uint8_t kind, int from_at, const char *from, int to_at, const char *to, unsigned flags
) {
    char from_buffer[PATH_MAX], to_buffer[PATH_MAX], both[2 * PATH_MAX];
    char *a = is_recording() ? below_root(from_at, from, from_buffer) : NULL;
    char *b = is_recording() ? below_root(to_at, to, to_buffer) : NULL;
    int result = (int)syscall(call, from_at, from, to_at, to, flags);
    if (result == 0 && a && b) {
        snprintf(both, sizeof both, "%s\n%s", a, b);
        emit_path(kind, 0, both);
    }
    return result;
}

int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_at, const char *from, int to_at, const char *to) { return renameat2(from_at, from, to_at, to, 0); }
int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    return name_recorded(SYS_renameat2, EVENT_RENAME, from_at, from, to_at, to, flags);
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    return name_recorded(SYS_linkat, EVENT_LINK, from_at, from, to_at, to, (unsigned)flags);
}

int unlinkat(int at, const char *path, int flags) {
    char buffer[PATH_MAX], *below = is_recording() ? below_root(at, path, buffer) : NULL;
    int result = (int)syscall(SYS_unlinkat, at, path, flags);
    if (result == 0 && below) emit_path(EVENT_UNLINK, 0, below);
    return result;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int at, const char *path, mode_t mode) {
    char buffer[PATH_MAX], *below = is_recording() ? below_root(at, path, buffer) : NULL;
    int result = (int)syscall(SYS_mkdirat, at, path, mode);
    if (result == 0 && below) emit_path(EVENT_MKDIR, 0, below);
    return result;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
