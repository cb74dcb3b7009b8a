#pragma once
#include <lmdb.h>
#include <sys/vfs.h>

/// The magic number of the file system that holds `path`, or -1 with `errno` set. A shim because `statfs` is both a function
/// and a structure whose `f_type` differs in width and sign between architectures.
static inline long long strongroom_file_system_magic(const char *path) {
    struct statfs information;
    if (statfs(path, &information) != 0) {
        return -1;
    }
    return (long long)(unsigned int)information.f_type;
}
