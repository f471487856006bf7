/* What a device holds, and what it may therefore be asked. */
#include "device/book.h"

#include <assert.h>
#include <stdlib.h>

enum cvg_status cvg_book_init(struct cvg_book *book, const struct cvg_box *box,
                              uint32_t device, struct cvg_error *err)
{
    *book = (struct cvg_book){.box = box, .device = device};
    book->variants = calloc(box->n_variants + 1, sizeof *book->variants);
    book->held = calloc(box->devices[device].units, sizeof *book->held);
    if (book->variants == NULL || book->held == NULL) {
        cvg_book_fini(book);
        return cvg_fail(err, CVG_NOMEM, "out of memory for device %s",
                        box->devices[device].name);
    }
    return CVG_OK;
}

void cvg_book_fini(struct cvg_book *book)
{
    free(book->variants);
    free(book->held);
    *book = (struct cvg_book){0};
}

static const char *device_name(const struct cvg_book *book)
{
    return book->box->devices[book->device].name;
}

static enum cvg_status check_variant(const struct cvg_book *book,
                                     uint32_t variant, struct cvg_error *err)
{
    if (variant >= book->box->n_variants) {
        return cvg_fail(err, CVG_NOTFOUND, "device %s: no variant %u",
                        device_name(book), variant);
    }
    return CVG_OK;
}

/* Moves a variant from one state to the next. */
static enum cvg_status change(struct cvg_book *book, uint32_t variant,
                              enum cvg_book_state from, enum cvg_book_state to,
                              struct cvg_error *err)
{
    static const char *const words[] = {"not loaded", "being loaded",
                                        "loaded already", "being unloaded"};
    enum cvg_status status = check_variant(book, variant, err);
    if (status != CVG_OK) {
        return status;
    }
    struct cvg_book_variant *v = &book->variants[variant];
    if (v->state != from) {
        return cvg_fail(err, CVG_INVALID, "device %s: %s is %s",
                        device_name(book), book->box->variants[variant].name,
                        words[v->state]);
    }
    v->state = to;
    book->changing++;
    return CVG_OK;
}

enum cvg_status cvg_book_load(struct cvg_book *book, uint32_t variant,
                              struct cvg_error *err)
{
    return change(book, variant, CVG_BOOK_ABSENT, CVG_BOOK_LOADING, err);
}

enum cvg_status cvg_book_unload(struct cvg_book *book, uint32_t variant,
                                struct cvg_error *err)
{
    if (variant < book->box->n_variants &&
        book->variants[variant].in_flight > 0) {
        return cvg_fail(err, CVG_INVALID,
                        "device %s: %s has %u batches in flight",
                        device_name(book), book->box->variants[variant].name,
                        book->variants[variant].in_flight);
    }
    return change(book, variant, CVG_BOOK_LOADED, CVG_BOOK_UNLOADING, err);
}

void cvg_book_loaded(struct cvg_book *book, uint32_t variant, bool well,
                     uint64_t memory_bytes)
{
    struct cvg_book_variant *v = &book->variants[variant];
    assert(v->state == CVG_BOOK_LOADING);
    v->state = well ? CVG_BOOK_LOADED : CVG_BOOK_ABSENT;
    v->memory_bytes = well ? memory_bytes : 0;
    book->changing--;
}

void cvg_book_unloaded(struct cvg_book *book, uint32_t variant)
{
    struct cvg_book_variant *v = &book->variants[variant];
    assert(v->state == CVG_BOOK_UNLOADING);
    v->state = CVG_BOOK_ABSENT;
    v->memory_bytes = 0;
    book->changing--;
}

enum cvg_status cvg_book_submit(struct cvg_book *book,
                                const struct cvg_batch *batch,
                                struct cvg_error *err)
{
    const struct cvg_device *device = &book->box->devices[book->device];
    enum cvg_status status = check_variant(book, batch->variant, err);
    if (status != CVG_OK) {
        return status;
    }
    if (batch->unit >= device->units) {
        return cvg_fail(err, CVG_INVALID, "device %s: no unit %u, it has %u",
                        device->name, batch->unit, device->units);
    }
    if (batch->n > CVG_MAX_BATCH) {
        return cvg_fail(err, CVG_INVALID,
                        "device %s: a batch of %u, at most %u can run",
                        device->name, batch->n, CVG_MAX_BATCH);
    }
    struct cvg_book_variant *variant = &book->variants[batch->variant];
    if (variant->state != CVG_BOOK_LOADED) {
        return cvg_fail(err, CVG_INVALID, "device %s: %s is not loaded",
                        device->name, book->box->variants[batch->variant].name);
    }
    if (book->held[batch->unit] >= device->in_flight) {
        return cvg_fail(err, CVG_LIMIT,
                        "device %s: unit %u holds %u batches already",
                        device->name, batch->unit, device->in_flight);
    }
    book->held[batch->unit]++;
    book->in_flight++;
    variant->in_flight++;
    return CVG_OK;
}

void cvg_book_done(struct cvg_book *book, const struct cvg_batch *batch)
{
    assert(book->held[batch->unit] > 0);
    book->held[batch->unit]--;
    book->in_flight--;
    book->variants[batch->variant].in_flight--;
}
