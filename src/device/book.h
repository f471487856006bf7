/* The books of one device: which variants it holds, how many batches each unit
 * holds. All backends keep them alike, so that they refuse the same calls with
 * the same words. No lock of its own: the backend's. */
#ifndef CVG_DEVICE_BOOK_H
#define CVG_DEVICE_BOOK_H

#include <convergo/device.h>

enum cvg_book_state {
    CVG_BOOK_ABSENT,
    CVG_BOOK_LOADING,
    CVG_BOOK_LOADED,
    CVG_BOOK_UNLOADING
};

struct cvg_book_variant {
    enum cvg_book_state state;
    uint32_t in_flight; /* batches */
    uint64_t memory_bytes;
};

struct cvg_book {
    const struct cvg_box *box; /* borrowed */
    uint32_t device;
    struct cvg_book_variant *variants; /* of the box */
    uint32_t *held;                    /* batches by unit */
    uint32_t in_flight;                /* batches, all units */
    uint32_t changing;                 /* variants on their way in or out */
};

enum cvg_status cvg_book_init(struct cvg_book *book, const struct cvg_box *box,
                              uint32_t device, struct cvg_error *err);
void cvg_book_fini(struct cvg_book *book);

/* May it begin? CVG_OK: written down as begun. CVG_NOTFOUND: no such variant.
 * CVG_INVALID: it is there already, is not there, is on its way, or (unload)
 * has batches in flight. */
enum cvg_status cvg_book_load(struct cvg_book *book, uint32_t variant,
                              struct cvg_error *err);
enum cvg_status cvg_book_unload(struct cvg_book *book, uint32_t variant,
                                struct cvg_error *err);
/* It has ended: `memory_bytes` when it is there. */
void cvg_book_loaded(struct cvg_book *book, uint32_t variant, bool well,
                     uint64_t memory_bytes);
void cvg_book_unloaded(struct cvg_book *book, uint32_t variant);

/* CVG_INVALID: no such unit, a batch of 0 or too many, the variant is not
 * loaded. CVG_NOTFOUND: no such variant. CVG_LIMIT: the unit holds `in_flight`
 * batches already. */
enum cvg_status cvg_book_submit(struct cvg_book *book,
                                const struct cvg_batch *batch,
                                struct cvg_error *err);
void cvg_book_done(struct cvg_book *book, const struct cvg_batch *batch);

#endif
