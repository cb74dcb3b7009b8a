// Builds the disk as a power cut could have left it, again and again, and checks what the vault promised.
//
//   replay LOG FINAL WORK [--states N] [--seed S] [--only I] [--cuts init] [--without data|meta|directories|all]
//          [--export DIR --every K]
//
// LOG is what recorder.c wrote. FINAL is the store's directory after the run, WORK an empty directory on a fast file
// system. State I is cut off after a random event of the log. On its disk is
//   - every write and every name that a finished flush covered;
//   - of writes not yet flushed any subset of their 512-byte sectors: each sector has seen a random number of the writes
//     to it, in order, and the file's size may have grown ahead of its contents;
//   - of names (created, renamed, removed) whose directory was not flushed any subset.
// --without ignores flushes of a kind, as a build without them would leave the disk: the controls that must fail.
// --cuts init cuts only before and right after the first mark of a file, which `init` ends with.
// --export writes every K-th state out as a directory tree with the tokens it must give, for the daemon itself to open.
//
// Marks of the client, as text: "tokens T..." answered; "batch T..." answered, one request; "forgetting T" sent;
// "forgotten T" answered; "file PATH" must hold, from now on, what it holds now or what replaces it later.

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "disk.h"
#include "events.h"

static struct {
    unsigned states, only, every;
    uint64_t seed;
    const char *log, *final, *work, *export;
    int has_only, in_init;
    struct dropped dropped;
} options = {.states = 5000};

static const struct event **events;
static size_t event_count;
static struct token *tokens;
static size_t token_count;
static uint32_t batch_count;

/// The keyring is replaced whole: in no state may it be torn, acknowledged or not.
static const char keyring_path[] = "data/keyring";
static const char store_path[] = "data/vault/data.mdb";

struct file_mark {
    char *path;
    uint64_t since;   // events of the log
    uint64_t version; // of the file at that path
};

static struct file_mark file_marks[64];
static size_t file_mark_count;

static void fail(const char *what) {
    fprintf(stderr, "replay: %s\n", what);
    exit(2);
}

// The log

static void load_log(void) {
    int descriptor = open(options.log, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (descriptor < 0 || fstat(descriptor, &status) != 0 || status.st_size == 0) fail("no log");
    const uint8_t *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (bytes == MAP_FAILED) fail("mmap");
    size_t capacity = 0, size = (size_t)status.st_size;
    for (size_t at = 0; at < size;) {
        struct event event;
        if (size - at < sizeof event) fail("the log ends inside an event");
        memcpy(&event, bytes + at, sizeof event);
        if (event.magic != EVENT_MAGIC || size - at - sizeof event < event.size) fail("the log is damaged");
        if (event_count == capacity) {
            capacity = capacity ? capacity * 2 : 1024;
            events = realloc(events, capacity * sizeof *events);
        }
        // Events need not be aligned in the log: headers are copied, contents follow by pointer.
        struct event *kept = malloc(sizeof *kept + sizeof(void *));
        *kept = event;
        *(const void **)(kept + 1) = bytes + at + sizeof event;
        events[event_count++] = kept;
        at += sizeof event + event.size;
    }
}

static const uint8_t *contents(const struct event *event) { return *(const uint8_t *const *)(event + 1); }

static char *text(const struct event *event) { return strndup((const char *)contents(event), event->size); }

// What the client knew

static int by_value(const void *a, const void *b) {
    uint64_t x = ((const struct token *)a)->value, y = ((const struct token *)b)->value;
    return x < y ? -1 : x > y;
}

static void note(uint64_t value, char kind, uint64_t when, uint32_t batch) {
    static size_t capacity;
    // Merged after sorting: a token may be noted several times.
    if (token_count == capacity) {
        capacity = capacity ? capacity * 2 : 1024;
        tokens = realloc(tokens, capacity * sizeof *tokens);
    }
    struct token token = {.value = value, .batch = batch};
    if (kind == 'a') token.acknowledged = when;
    if (kind == 's') token.forgetting = when;
    if (kind == 'f') token.forgotten = when;
    tokens[token_count++] = token;
}

static void earliest(uint64_t *kept, uint64_t other) {
    if (other && (!*kept || other < *kept)) *kept = other;
}

static void merge_tokens(void) {
    qsort(tokens, token_count, sizeof *tokens, by_value);
    size_t used = 0;
    for (size_t i = 0; i < token_count; i++) {
        if (used && tokens[used - 1].value == tokens[i].value) {
            struct token *kept = &tokens[used - 1];
            earliest(&kept->acknowledged, tokens[i].acknowledged);
            earliest(&kept->forgetting, tokens[i].forgetting);
            earliest(&kept->forgotten, tokens[i].forgotten);
            if (tokens[i].batch) kept->batch = tokens[i].batch;
        } else {
            tokens[used++] = tokens[i];
        }
    }
    token_count = used;
}

/// Reads the client's marks. A mark at position i holds from the cut after it, i + 1 events, on.
static void load_marks(void) {
    for (size_t i = 0; i < event_count; i++) {
        if (events[i]->kind != EVENT_MARK) continue;
        char *line = text(events[i]), *rest = line, *word = strsep(&rest, " ");
        if (strcmp(word, "file") == 0 && rest) {
            if (file_mark_count == sizeof file_marks / sizeof *file_marks) fail("too many files are marked");
            file_marks[file_mark_count++] = (struct file_mark){strdup(rest), i + 1, 0};
        } else {
            char kind = strcmp(word, "forgetting") == 0 ? 's' : strcmp(word, "forgotten") == 0 ? 'f' : 'a';
            uint32_t batch = strcmp(word, "batch") == 0 ? ++batch_count : 0;
            for (char *number; rest && (number = strsep(&rest, " "));) {
                note(strtoull(number, NULL, 10), kind, i + 1, batch);
            }
        }
        free(line);
    }
    merge_tokens();
}

// States

static uint64_t mix(uint64_t value) {
    value += 0x9E3779B97F4A7C15u;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    return value ^ (value >> 31);
}

struct choice {
    unsigned state;
    size_t cut;
};

static int by_cut(const void *a, const void *b) {
    size_t x = ((const struct choice *)a)->cut, y = ((const struct choice *)b)->cut;
    return x < y ? -1 : x > y;
}

/// From when on `init` is acknowledged.
static size_t first_file_mark(void) { return file_mark_count ? file_marks[0].since : 0; }

static struct choice *choose(size_t *count) {
    size_t cuts = options.in_init ? first_file_mark() + 1 : event_count + 1;
    struct choice *choices = calloc(options.states, sizeof *choices);
    *count = 0;
    for (unsigned i = 0; i < options.states; i++) {
        if (options.has_only && i != options.only) continue;
        choices[(*count)++] = (struct choice){i, mix(options.seed ^ mix(i)) % cuts};
    }
    qsort(choices, *count, sizeof *choices, by_cut);
    return choices;
}

static struct {
    uint64_t states, bad, checked, lost, wrong, undead, halved, unindexed, miscounted, unreadable, unborn;
    uint64_t keyring_absent, keyring_whole, keyring_bad, file_bad, exported;
} totals;

/// Whether the files that the client was promised are there and whole.
static int check_files(const struct state *state, size_t cut) {
    int bad = 0;
    const struct object *keyring = state_object(state, keyring_path);
    if (!keyring) {
        totals.keyring_absent++;
    } else if (state_is_whole(state, keyring)) {
        totals.keyring_whole++;
    } else {
        totals.keyring_bad++;
        bad = 1;
    }
    for (size_t i = 0; i < file_mark_count; i++) {
        if (file_marks[i].since > cut) continue;
        const struct object *object = state_object(state, file_marks[i].path);
        if (!object || !state_is_whole(state, object) || object_version(object) < file_marks[i].version) {
            totals.file_bad++;
            bad = 1;
        }
    }
    return bad;
}

static struct verdict check_database(const struct state *state, size_t cut) {
    const struct object *store = state_object(state, store_path);
    if (!store) return check_absent(tokens, token_count, cut);
    char path[4096];
    snprintf(path, sizeof path, "%s/data.mdb", options.work);
    state_write(state, store, path);
    return check_store(options.work, tokens, token_count, batch_count, cut);
}

static void export_state(const struct state *state, struct choice choice) {
    char directory[4096], path[4200];
    snprintf(directory, sizeof directory, "%s/%u", options.export, choice.state);
    state_export(state, directory);
    snprintf(path, sizeof path, "%s/expected", directory);
    FILE *file = fopen(path, "w");
    if (!file) fail("export");
    for (size_t i = 0; i < token_count; i++) {
        const struct token *token = &tokens[i];
        if (!token->acknowledged || token->acknowledged > choice.cut) continue;
        int is_gone = token->forgotten && token->forgotten <= choice.cut;
        if (!is_gone && token->forgetting && token->forgetting <= choice.cut) continue;
        fprintf(file, "%s %llu\n", is_gone ? "gone" : "there", (unsigned long long)token->value);
    }
    fclose(file);
    totals.exported++;
}

static void check(struct choice choice) {
    struct state *state = state_make(mix(options.seed + 0x5EED) ^ mix(choice.state));
    int bad = check_files(state, choice.cut);
    struct verdict verdict = check_database(state, choice.cut);
    totals.states++;
    totals.checked += verdict.checked;
    totals.lost += verdict.lost;
    totals.wrong += verdict.wrong;
    totals.undead += verdict.undead;
    totals.halved += verdict.halved;
    totals.unindexed += verdict.unindexed;
    totals.miscounted += verdict.miscounted;
    totals.unreadable += verdict.unreadable != 0;
    // A store cut off while `init` makes it holds nothing that could be lost: the operator runs `init` again.
    int is_unborn = verdict.unreadable != 0 && choice.cut < first_file_mark();
    totals.unborn += (uint64_t)is_unborn;
    if (!is_unborn) {
        bad |= verdict.lost || verdict.wrong || verdict.undead || verdict.halved || verdict.unindexed
            || verdict.miscounted || verdict.unreadable;
    }
    totals.bad += (uint64_t)(bad != 0);
    if (bad && totals.bad <= 5) {
        fprintf(
            stderr, "state %u (cut after %zu of %zu events): lost %llu of %llu, wrong %llu, undead %llu, halved %llu, "
            "unindexed %llu, miscounted %llu, unreadable %d\n", choice.state, choice.cut, event_count,
            (unsigned long long)verdict.lost, (unsigned long long)verdict.checked, (unsigned long long)verdict.wrong,
            (unsigned long long)verdict.undead, (unsigned long long)verdict.halved,
            (unsigned long long)verdict.unindexed, (unsigned long long)verdict.miscounted, verdict.unreadable);
    }
    if (options.export && (options.has_only || choice.state % options.every == 0)) export_state(state, choice);
    state_free(state);
}

static void play(const struct event *event, size_t position) {
    char *path = NULL;
    switch (event->kind) {
    case EVENT_CREATE: disk_create(event->inode, path = text(event)); break;
    case EVENT_WRITE: disk_write(event->inode, event->operation, event->offset, contents(event), event->size); break;
    case EVENT_WRITE_DURABLE: disk_written(event->inode, event->operation, &options.dropped); break;
    case EVENT_TRUNCATE: disk_truncate(event->inode, event->offset); break;
    case EVENT_SYNC_BEGIN: disk_sync_begin(event->operation); break;
    case EVENT_SYNC_END:
        disk_synced(event->operation, event->inode, event->is_directory ? (path = text(event)) : NULL, &options.dropped);
        break;
    case EVENT_RENAME:
    case EVENT_LINK: {
        path = text(event);
        char *to = strchr(path, '\n');
        if (!to) fail("a rename without two names");
        *to++ = 0;
        if (event->kind == EVENT_LINK) disk_link(path, to);
        else disk_rename(path, to);
        break;
    }
    case EVENT_UNLINK: disk_unlink(path = text(event)); break;
    case EVENT_MKDIR: disk_make_directory(path = text(event)); break;
    case EVENT_MARK:
        for (size_t i = 0; i < file_mark_count; i++) {
            if (file_marks[i].since != position + 1) continue;
            const struct object *object = disk_object(file_marks[i].path);
            if (!object) fail("a file that is not there is marked");
            file_marks[i].version = object_version(object);
        }
        break;
    default: fail("an event of no known kind");
    }
    free(path);
}

static void parse(int count, char **words) {
    if (count < 4) fail("usage: replay LOG FINAL WORK [options]");
    options.log = words[1];
    options.final = words[2];
    options.work = words[3];
    for (int i = 4; i + 1 < count; i += 2) {
        const char *name = words[i], *value = words[i + 1];
        if (strcmp(name, "--states") == 0) options.states = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "--seed") == 0) options.seed = strtoull(value, NULL, 10);
        else if (strcmp(name, "--only") == 0) options.only = (unsigned)strtoul(value, NULL, 10), options.has_only = 1;
        else if (strcmp(name, "--export") == 0) options.export = value;
        else if (strcmp(name, "--every") == 0) options.every = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(name, "--cuts") == 0) options.in_init = strcmp(value, "init") == 0;
        else if (strcmp(name, "--without") == 0) {
            int all = strcmp(value, "all") == 0;
            options.dropped.data = all || strcmp(value, "data") == 0;
            options.dropped.meta = all || strcmp(value, "meta") == 0;
            options.dropped.directories = all || strcmp(value, "directories") == 0;
        } else fail("an unknown option");
    }
    if (!options.every) options.every = 1;
}

int main(int count, char **words) {
    parse(count, words);
    load_log();
    load_marks();
    check_load_final(options.final, tokens, token_count);
    size_t chosen, next = 0;
    struct choice *choices = choose(&chosen);
    for (size_t done = 0; done <= event_count && next < chosen; done++) {
        for (; next < chosen && choices[next].cut == done; next++) check(choices[next]);
        if (done < event_count) play(events[done], done);
    }
    printf(
        "{\"events\": %zu, \"tokens\": %zu, \"states\": %llu, \"bad\": %llu, \"checked\": %llu, \"lost\": %llu, "
        "\"wrong\": %llu, \"undead\": %llu, \"halved\": %llu, \"unindexed\": %llu, \"miscounted\": %llu, "
        "\"unreadable\": %llu, \"unborn\": %llu, \"keyring_absent\": %llu, \"keyring_whole\": %llu, "
        "\"keyring_bad\": %llu, \"file_bad\": %llu, \"exported\": %llu}\n",
        event_count, token_count, (unsigned long long)totals.states, (unsigned long long)totals.bad,
        (unsigned long long)totals.checked, (unsigned long long)totals.lost, (unsigned long long)totals.wrong,
        (unsigned long long)totals.undead, (unsigned long long)totals.halved, (unsigned long long)totals.unindexed,
        (unsigned long long)totals.miscounted, (unsigned long long)totals.unreadable,
        (unsigned long long)totals.unborn, (unsigned long long)totals.keyring_absent,
        (unsigned long long)totals.keyring_whole, (unsigned long long)totals.keyring_bad,
        (unsigned long long)totals.file_bad, (unsigned long long)totals.exported);
    return 0;
}
