// The log that recorder.c and test_replay.py append to and replay.c reads: events, each followed by `size` bytes.
// Native byte order: a log is read on the machine that wrote it.

#pragma once
#include <stdint.h>

#define EVENT_MAGIC 0x52435331u

enum {
    EVENT_CREATE = 'C',        // a file appeared: inode, path
    EVENT_WRITE = 'W',         // inode, offset, bytes
    EVENT_WRITE_DURABLE = 'E', // the write of the same operation is on disk
    EVENT_TRUNCATE = 'T',      // inode, new size in offset
    EVENT_SYNC_BEGIN = 'B',    // a flush of inode began; path
    EVENT_SYNC_END = 'S',      // the flush of the same operation succeeded
    EVENT_RENAME = 'R',        // "from\nto"
    EVENT_LINK = 'L',          // "from\nto": one more name
    EVENT_UNLINK = 'U',        // path
    EVENT_MKDIR = 'M',         // path
    EVENT_MARK = 'A',          // what the client knows, as text: see replay.c
};

struct event {
    uint32_t magic;
    uint8_t kind;
    uint8_t is_directory; // of flushes
    uint16_t reserved;
    uint64_t operation; // process << 32 | number
    uint64_t inode;
    uint64_t offset;
    uint64_t size;
};
