// What a store must hold, and whether it does. Part of replay.c.

#pragma once
#include <stddef.h>
#include <stdint.h>

enum { RECORD_BYTES = 64 };

/// One token of the run, with when (in events of the log) the client learned what about it. 0: never.
struct token {
    uint64_t value;
    uint64_t acknowledged; // tokenize was answered
    uint64_t forgetting;   // forget was sent
    uint64_t forgotten;    // forget was answered
    uint32_t batch;        // tokens of one request have one number; 0: alone
    uint8_t is_in_final;
    uint8_t record[RECORD_BYTES]; // from the store at the end of the run
};

/// What one state showed.
struct verdict {
    uint64_t checked;    // acknowledged tokens that had to be there
    uint64_t present;    // tokens that were there
    uint64_t lost;       // acknowledged and not there
    uint64_t wrong;      // there with other bytes than in the end
    uint64_t undead;     // forgotten, acknowledged so, and there
    uint64_t halved;     // requests of which a part is there
    uint64_t unindexed;  // tokens without index entry, or the reverse
    uint64_t miscounted; // counters that differ from what they count
    int unreadable;      // an LMDB error, or the signal that ended the reading process
};

/// Reads the final store's records into the tokens.
void check_load_final(const char *directory, struct token *tokens, size_t count);

/// Checks the store in `directory` as it must be after `cut` events. Runs in a process of its own, since a damaged store
/// may end the one that reads it. `tokens` are sorted by value.
struct verdict check_store(const char *directory, const struct token *tokens, size_t count, uint32_t batches, uint64_t cut);

/// The verdict on a state without a store.
struct verdict check_absent(const struct token *tokens, size_t count, uint64_t cut);
