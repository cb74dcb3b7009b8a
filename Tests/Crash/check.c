// Reads a store with liblmdb alone, and compares it with what the client was told.

#define _GNU_SOURCE
#include "check.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TABLES = 8, INDEX_KEY_BYTES = 32, INDEX_TOKEN_OFFSET = 24 };

static uint64_t big_endian(const void *bytes) {
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return __builtin_bswap64(value);
}

static int is_due(const struct token *token, uint64_t cut) {
    return token->acknowledged && token->acknowledged <= cut && !(token->forgetting && token->forgetting <= cut);
}

static struct token *look_up(const struct token *tokens, size_t count, uint64_t value) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (tokens[middle].value == value) return (struct token *)&tokens[middle];
        if (tokens[middle].value < value) low = middle + 1; else high = middle;
    }
    return NULL;
}

/// Visits every entry of a table; 0, or LMDB's error. A table that is not there is empty.
static int each(MDB_txn *transaction, const char *name, int (*visit)(const MDB_val *, const MDB_val *, void *), void *context) {
    MDB_dbi table;
    MDB_cursor *cursor;
    MDB_val key, value;
    int code = mdb_dbi_open(transaction, name, 0, &table);
    if (code == MDB_NOTFOUND) return 0;
    if (code == 0) code = mdb_cursor_open(transaction, table, &cursor);
    if (code != 0) return code;
    for (code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST); code == 0;
         code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        if ((code = visit(&key, &value, context)) != 0) return code;
    }
    return code == MDB_NOTFOUND ? 0 : code;
}

static int open_store(const char *directory, MDB_env **environment, MDB_txn **transaction) {
    int code = mdb_env_create(environment);
    if (code == 0) code = mdb_env_set_mapsize(*environment, (size_t)1 << 30);
    if (code == 0) code = mdb_env_set_maxdbs(*environment, TABLES);
    if (code == 0) code = mdb_env_open(*environment, directory, MDB_RDONLY | MDB_NOLOCK, 0);
    if (code == 0) code = mdb_txn_begin(*environment, NULL, MDB_RDONLY, transaction);
    return code;
}

struct reading {
    const struct token *tokens;
    size_t count;
    uint8_t *seen;
    uint64_t cut, strangers, indexed, counted_records, counted_entries, counted_format;
    struct verdict verdict;
};

static int visit_token(const MDB_val *key, const MDB_val *value, void *context) {
    struct reading *reading = context;
    uint64_t number;
    if (key->mv_size != sizeof number || value->mv_size != RECORD_BYTES) return MDB_CORRUPTED;
    memcpy(&number, key->mv_data, sizeof number);
    reading->verdict.present++;
    struct token *token = look_up(reading->tokens, reading->count, number);
    if (!token) {
        // Of a request whose answer never came.
        reading->strangers++;
        return 0;
    }
    reading->seen[token - reading->tokens] = 1;
    if (token->is_in_final && memcmp(token->record, value->mv_data, RECORD_BYTES) != 0) reading->verdict.wrong++;
    if (token->forgotten && token->forgotten <= reading->cut) reading->verdict.undead++;
    return 0;
}

static int visit_index(const MDB_val *key, const MDB_val *value, void *context) {
    struct reading *reading = context;
    (void)value;
    if (key->mv_size != INDEX_KEY_BYTES) return MDB_CORRUPTED;
    struct token *token = look_up(
        reading->tokens, reading->count, big_endian((const uint8_t *)key->mv_data + INDEX_TOKEN_OFFSET));
    if (token && !reading->seen[token - reading->tokens]) reading->verdict.unindexed++;
    reading->indexed++;
    return 0;
}

static void add_counter(const MDB_val *key, const MDB_val *value, const char *prefix, uint64_t *sum) {
    size_t length = strlen(prefix);
    if (key->mv_size == length + 4 && value->mv_size == 8 && memcmp(key->mv_data, prefix, length) == 0) {
        *sum += big_endian(value->mv_data);
    }
}

static int visit_meta(const MDB_val *key, const MDB_val *value, void *context) {
    struct reading *reading = context;
    add_counter(key, value, "records/data/", &reading->counted_records);
    add_counter(key, value, "records/index/", &reading->counted_entries);
    add_counter(key, value, "tokens/format/", &reading->counted_format);
    return 0;
}

static void judge(struct reading *reading, uint32_t batches) {
    struct verdict *verdict = &reading->verdict;
    uint32_t *there = calloc(batches + 1, sizeof *there), *missing = calloc(batches + 1, sizeof *missing);
    for (size_t i = 0; i < reading->count; i++) {
        const struct token *token = &reading->tokens[i];
        if (is_due(token, reading->cut)) {
            verdict->checked++;
            verdict->lost += !reading->seen[i];
        }
        if (token->batch) (reading->seen[i] ? there : missing)[token->batch]++;
    }
    for (uint32_t i = 1; i <= batches; i++) verdict->halved += there[i] && missing[i];
    free(there);
    free(missing);
    if (reading->indexed != verdict->present) verdict->unindexed++;
    verdict->miscounted += reading->counted_records != verdict->present;
    verdict->miscounted += reading->counted_entries != reading->indexed;
    verdict->miscounted += reading->counted_format != verdict->present;
}

static void read_store(const char *directory, struct reading *reading, uint32_t batches) {
    MDB_env *environment;
    MDB_txn *transaction;
    int code = open_store(directory, &environment, &transaction);
    if (code == 0) code = each(transaction, "tokens", visit_token, reading);
    if (code == 0) code = each(transaction, "index", visit_index, reading);
    if (code == 0) code = each(transaction, "meta", visit_meta, reading);
    reading->verdict.unreadable = code;
    judge(reading, batches);
}

struct verdict check_store(
    const char *directory, const struct token *tokens, size_t count, uint32_t batches, uint64_t cut
) {
    struct verdict *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) abort();
    pid_t child = fork();
    if (child < 0) abort();
    if (child == 0) {
        // Assertions of LMDB about a damaged store are findings, not news for the terminal.
        if (!freopen("/dev/null", "w", stderr)) _exit(1);
        alarm(10);
        struct reading reading = {.tokens = tokens, .count = count, .cut = cut, .seen = calloc(count + 1, 1)};
        read_store(directory, &reading, batches);
        *shared = reading.verdict;
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    struct verdict verdict = *shared;
    munmap(shared, sizeof *shared);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return verdict;
    verdict = check_absent(tokens, count, cut);
    verdict.unreadable = WIFSIGNALED(status) ? WTERMSIG(status) : -1;
    return verdict;
}

struct verdict check_absent(const struct token *tokens, size_t count, uint64_t cut) {
    struct verdict verdict = {0};
    for (size_t i = 0; i < count; i++) verdict.checked += is_due(&tokens[i], cut);
    verdict.lost = verdict.checked;
    return verdict;
}

static struct token *final_tokens;

static int visit_final(const MDB_val *key, const MDB_val *value, void *context) {
    uint64_t number;
    memcpy(&number, key->mv_data, sizeof number);
    struct token *token = look_up(final_tokens, *(size_t *)context, number);
    if (token && value->mv_size == RECORD_BYTES) {
        memcpy(token->record, value->mv_data, RECORD_BYTES);
        token->is_in_final = 1;
    }
    return 0;
}

void check_load_final(const char *directory, struct token *tokens, size_t count) {
    MDB_env *environment;
    MDB_txn *transaction;
    final_tokens = tokens;
    int code = open_store(directory, &environment, &transaction);
    if (code == 0) code = each(transaction, "tokens", visit_final, &count);
    if (code != 0) {
        fprintf(stderr, "the final store: %s\n", mdb_strerror(code));
        exit(1);
    }
    mdb_txn_abort(transaction);
    mdb_env_close(environment);
}
