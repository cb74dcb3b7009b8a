// What glibc declares only under _GNU_SOURCE, which the compiler's own module of it is built without.
#ifndef STRONGROOM_LINUX_SHIMS_H
#define STRONGROOM_LINUX_SHIMS_H

#include <sys/types.h>

extern int fallocate(int descriptor, int mode, off_t offset, off_t bytes);

// Room for a file up to a size, without changing the size: FALLOC_FL_KEEP_SIZE of <linux/falloc.h>.
static inline int strongroom_allocate(int descriptor, off_t bytes) {
    return fallocate(descriptor, 1, 0, bytes);
}

#endif
