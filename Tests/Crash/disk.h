// A disk below one directory: what is durable, what is only in the cache, and what a power cut may leave of both.
// Part of replay.c.

#pragma once
#include <stddef.h>
#include <stdint.h>

/// Flushes that do not count, for controls.
struct dropped {
    int data;        // fsync and fdatasync of files
    int meta;        // writes on synchronous descriptors
    int directories; // fsync of directories
};

struct object; // a file, whatever its names
struct state;  // one disk after a power cut

// What happened, in order. Paths are relative to the root.
void disk_create(uint64_t inode, const char *path);
void disk_write(uint64_t inode, uint64_t operation, uint64_t offset, const uint8_t *bytes, uint64_t size);
void disk_written(uint64_t inode, uint64_t operation, const struct dropped *dropped);
void disk_truncate(uint64_t inode, uint64_t size);
void disk_sync_begin(uint64_t operation);
void disk_synced(uint64_t operation, uint64_t inode, const char *directory, const struct dropped *dropped);
void disk_rename(const char *from, const char *to);
void disk_link(const char *from, const char *to);
void disk_unlink(const char *path);
void disk_make_directory(const char *path);

/// The file at a path in the cache's view; NULL where there is none.
const struct object *disk_object(const char *path);
/// Grows with every file made.
uint64_t object_version(const struct object *object);

/// The disk after a power cut now, one of many; the same seed gives the same one. The disk must not change before it is
/// freed.
struct state *state_make(uint64_t seed);
void state_free(struct state *state);
/// The file at a path, if it and the directories above it are there.
const struct object *state_object(const struct state *state, const char *path);
/// Whether a file holds all that was ever written to it.
int state_is_whole(const struct state *state, const struct object *object);
void state_write(const struct state *state, const struct object *object, const char *path);
/// Writes out every file and directory.
void state_export(const struct state *state, const char *directory);
