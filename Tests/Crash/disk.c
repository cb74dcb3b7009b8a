#define _GNU_SOURCE
#include "disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512 };

struct bytes {
    uint8_t *data;
    size_t size, capacity;
};

struct pending {
    uint64_t operation, offset, size, order;
    const uint8_t *data; // in the log
    int is_done;
};

struct object {
    uint64_t inode, version;
    struct bytes durable, cached;
    struct pending *pending;
    size_t pending_count, pending_capacity;
    struct object *next;
};

struct entry {
    char *path;
    struct object *object; // NULL: a directory
};

struct names {
    struct entry *entries;
    size_t count, capacity;
};

struct change {
    char kind; // 'C' path appears, 'R' from -> path, 'U' path goes
    char *path, *from;
    struct object *object;
    uint64_t order;
};

struct flush {
    uint64_t operation, order;
};

static struct object *objects;
static struct names cached_names, durable_names;
static struct change *changes;
static size_t change_count, change_capacity;
static struct flush flushes[256];
static size_t flush_count;
static uint64_t order_now = 1, version_now;

static void *grow(void *array, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity) return array;
    *capacity = *capacity ? *capacity * 2 : 64;
    array = realloc(array, *capacity * size);
    if (!array) abort();
    return array;
}

static void bytes_resize(struct bytes *bytes, size_t size) {
    if (size > bytes->capacity) {
        bytes->capacity = size * 2;
        bytes->data = realloc(bytes->data, bytes->capacity);
        if (!bytes->data) abort();
    }
    if (size > bytes->size) memset(bytes->data + bytes->size, 0, size - bytes->size);
    bytes->size = size;
}

static void bytes_put(struct bytes *bytes, size_t offset, const uint8_t *data, size_t size) {
    if (offset + size > bytes->size) bytes_resize(bytes, offset + size);
    memcpy(bytes->data + offset, data, size);
}

// Names

static struct entry *names_find(const struct names *names, const char *path) {
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->entries[i].path, path) == 0) return &names->entries[i];
    }
    return NULL;
}

static void names_set(struct names *names, const char *path, struct object *object) {
    struct entry *entry = names_find(names, path);
    if (entry) {
        entry->object = object;
        return;
    }
    names->entries = grow(names->entries, names->count, &names->capacity, sizeof *names->entries);
    names->entries[names->count++] = (struct entry){strdup(path), object};
}

static void names_remove(struct names *names, const char *path) {
    struct entry *entry = names_find(names, path);
    if (!entry) return;
    free(entry->path);
    *entry = names->entries[--names->count];
}

/// What lies in a directory that is renamed goes with it.
static void names_move(struct names *names, const char *from, const char *to) {
    size_t length = strlen(from);
    for (size_t i = 0; i < names->count; i++) {
        char *old = names->entries[i].path, *moved;
        if (strncmp(old, from, length) != 0 || old[length] != '/') continue;
        if (asprintf(&moved, "%s%s", to, old + length) < 0) abort();
        names->entries[i].path = moved;
        free(old);
    }
}

static void names_apply(struct names *names, const struct change *change) {
    if (change->from) {
        names_remove(names, change->from);
        if (!change->object) names_move(names, change->from, change->path);
    }
    if (change->kind == 'U') names_remove(names, change->path);
    else names_set(names, change->path, change->object);
}

static int is_in(const char *path, const char *directory) {
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    return strlen(directory) == length && strncmp(path, directory, length) == 0;
}

static void change(char kind, const char *path, const char *from, struct object *object) {
    changes = grow(changes, change_count, &change_capacity, sizeof *changes);
    changes[change_count] = (struct change){kind, strdup(path), from ? strdup(from) : NULL, object, order_now++};
    names_apply(&cached_names, &changes[change_count++]);
}

// Files

static struct object *find_inode(uint64_t inode) {
    // The newest first: a number is used again once its file is gone.
    for (struct object *object = objects; object; object = object->next) {
        if (object->inode == inode) return object;
    }
    fprintf(stderr, "replay: a file that was never made\n");
    exit(2);
}

void disk_create(uint64_t inode, const char *path) {
    struct object *object = calloc(1, sizeof *object);
    *object = (struct object){.inode = inode, .version = ++version_now, .next = objects};
    objects = object;
    change('C', path, NULL, object);
}

void disk_write(uint64_t inode, uint64_t operation, uint64_t offset, const uint8_t *bytes, uint64_t size) {
    struct object *object = find_inode(inode);
    bytes_put(&object->cached, offset, bytes, size);
    object->pending = grow(object->pending, object->pending_count, &object->pending_capacity, sizeof *object->pending);
    object->pending[object->pending_count++] = (struct pending){
        .operation = operation, .offset = offset, .size = size, .order = order_now++, .data = bytes};
}

/// Makes the pending writes that are done durable, in their order.
static void settle(struct object *object) {
    size_t left = 0;
    for (size_t i = 0; i < object->pending_count; i++) {
        struct pending *write = &object->pending[i];
        if (write->is_done) bytes_put(&object->durable, write->offset, write->data, write->size);
        else object->pending[left++] = *write;
    }
    object->pending_count = left;
}

void disk_written(uint64_t inode, uint64_t operation, const struct dropped *dropped) {
    if (dropped->meta) return;
    struct object *object = find_inode(inode);
    for (size_t i = 0; i < object->pending_count; i++) {
        if (object->pending[i].operation == operation) object->pending[i].is_done = 1;
    }
    settle(object);
}

void disk_truncate(uint64_t inode, uint64_t size) {
    struct object *object = find_inode(inode);
    int shrinks = size < object->cached.size;
    bytes_resize(&object->cached, size);
    // The worst a disk may do: a cut takes effect at once, growth not before the next flush.
    if (!shrinks) return;
    if (size < object->durable.size) bytes_resize(&object->durable, size);
    for (size_t i = 0; i < object->pending_count; i++) {
        struct pending *write = &object->pending[i];
        if (write->offset >= size) write->size = 0;
        else if (write->offset + write->size > size) write->size = size - write->offset;
    }
}

void disk_sync_begin(uint64_t operation) {
    if (flush_count == sizeof flushes / sizeof *flushes) {
        // The oldest failed or was cut off by a kill.
        memmove(flushes, flushes + 1, sizeof flushes - sizeof *flushes);
        flush_count--;
    }
    flushes[flush_count++] = (struct flush){operation, order_now++};
}

void disk_synced(uint64_t operation, uint64_t inode, const char *directory, const struct dropped *dropped) {
    uint64_t before = 0;
    for (size_t i = 0; i < flush_count; i++) {
        if (flushes[i].operation != operation) continue;
        before = flushes[i].order;
        flushes[i] = flushes[--flush_count];
        break;
    }
    if (directory) {
        if (dropped->directories) return;
        size_t left = 0;
        for (size_t i = 0; i < change_count; i++) {
            if (changes[i].order < before && is_in(changes[i].path, directory)) {
                names_apply(&durable_names, &changes[i]);
                free(changes[i].path);
                free(changes[i].from);
            } else {
                changes[left++] = changes[i];
            }
        }
        change_count = left;
    } else if (!dropped->data) {
        struct object *object = find_inode(inode);
        for (size_t i = 0; i < object->pending_count; i++) {
            if (object->pending[i].order < before) object->pending[i].is_done = 1;
        }
        settle(object);
        if (object->pending_count == 0 && object->cached.size > object->durable.size) {
            bytes_resize(&object->durable, object->cached.size);
        }
    }
}

void disk_rename(const char *from, const char *to) {
    struct entry *entry = names_find(&cached_names, from);
    if (entry) change('R', to, from, entry->object);
}

void disk_link(const char *from, const char *to) {
    struct entry *entry = names_find(&cached_names, from);
    if (entry) change('C', to, NULL, entry->object);
}

void disk_unlink(const char *path) { change('U', path, NULL, NULL); }
void disk_make_directory(const char *path) { change('C', path, NULL, NULL); }

const struct object *disk_object(const char *path) {
    struct entry *entry = names_find(&cached_names, path);
    return entry ? entry->object : NULL;
}

uint64_t object_version(const struct object *object) { return object->version; }

// States

struct state {
    struct names names;
    uint64_t seed;
    // The last file built.
    const struct object *object;
    struct bytes bytes;
};

static uint64_t mix(uint64_t value) {
    value += 0x9E3779B97F4A7C15u;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    return value ^ (value >> 31);
}

/// How many of `count` things in a row happened: often none, often all, else any number.
static uint64_t reached(uint64_t random, uint64_t count) {
    switch (random % 3) {
    case 0: return 0;
    case 1: return count;
    default: return (random >> 8) % (count + 1);
    }
}

struct state *state_make(uint64_t seed) {
    struct state *state = calloc(1, sizeof *state);
    state->seed = seed;
    for (size_t i = 0; i < durable_names.count; i++) {
        names_set(&state->names, durable_names.entries[i].path, durable_names.entries[i].object);
    }
    uint64_t mood = mix(seed ^ 1) % 3;
    for (size_t i = 0; i < change_count; i++) {
        int happened = mood == 0 ? 0 : mood == 1 ? 1 : (int)(mix(seed ^ mix(changes[i].order)) & 1);
        if (happened) names_apply(&state->names, &changes[i]);
    }
    return state;
}

void state_free(struct state *state) {
    for (size_t i = 0; i < state->names.count; i++) free(state->names.entries[i].path);
    free(state->names.entries);
    free(state->bytes.data);
    free(state);
}

const struct object *state_object(const struct state *state, const char *path) {
    struct entry *entry = names_find(&state->names, path);
    if (!entry || !entry->object) return NULL;
    char *above = strdup(path);
    int is_there = 1;
    for (char *slash; is_there && (slash = strrchr(above, '/'));) {
        *slash = 0;
        is_there = names_find(&state->names, above) != NULL;
    }
    free(above);
    return is_there ? entry->object : NULL;
}

/// The file's bytes after the cut: the durable ones, and in each sector with writes under way as many of those, in
/// order, as chance has it.
static const struct bytes *build(const struct state *constant, const struct object *object) {
    struct state *state = (struct state *)constant;
    if (state->object == object) return &state->bytes;
    state->object = object;
    bytes_resize(&state->bytes, object->durable.size);
    if (object->durable.size) memcpy(state->bytes.data, object->durable.data, object->durable.size);
    uint64_t seed = mix(state->seed ^ mix(object->version));
    int grows_ahead = (int)(seed & 1);
    for (size_t i = 0; i < object->pending_count; i++) {
        const struct pending *write = &object->pending[i];
        for (uint64_t at = write->offset, end = write->offset + write->size; at < end;) {
            uint64_t sector = at / SECTOR, stop = (sector + 1) * SECTOR < end ? (sector + 1) * SECTOR : end;
            if (i < reached(mix(seed ^ mix(sector)), object->pending_count)) {
                bytes_put(&state->bytes, at, write->data + (at - write->offset), stop - at);
            }
            at = stop;
        }
        if (grows_ahead && write->offset + write->size > state->bytes.size) {
            bytes_resize(&state->bytes, write->offset + write->size);
        }
    }
    return &state->bytes;
}

int state_is_whole(const struct state *state, const struct object *object) {
    const struct bytes *bytes = build(state, object);
    return bytes->size == object->cached.size
        && (bytes->size == 0 || memcmp(bytes->data, object->cached.data, bytes->size) == 0);
}

static void put_file(const char *path, const uint8_t *data, size_t size) {
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (descriptor < 0) abort();
    for (size_t done = 0; done < size;) {
        ssize_t written = write(descriptor, data + done, size - done);
        if (written <= 0) abort();
        done += (size_t)written;
    }
    close(descriptor);
}

void state_write(const struct state *state, const struct object *object, const char *path) {
    const struct bytes *bytes = build(state, object);
    put_file(path, bytes->data, bytes->size);
}

static int by_path(const void *a, const void *b) {
    return strcmp((*(struct entry *const *)a)->path, (*(struct entry *const *)b)->path);
}

void state_export(const struct state *state, const char *directory) {
    char path[4096];
    mkdir(directory, 0700);
    struct entry **sorted = calloc(state->names.count + 1, sizeof *sorted);
    for (size_t i = 0; i < state->names.count; i++) sorted[i] = &state->names.entries[i];
    // A directory comes before what is in it.
    qsort(sorted, state->names.count, sizeof *sorted, by_path);
    for (size_t i = 0; i < state->names.count; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, sorted[i]->path);
        if (!sorted[i]->object) mkdir(path, 0700);
        else if (state_object(state, sorted[i]->path)) state_write(state, sorted[i]->object, path);
    }
    free(sorted);
}
