/* Calls: their pool, their memory, their reply. */
#include "serve/call.h"

#include "serve/http.h"
#include "serve/log.h"
#include "serve/server.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POOLED_CALLS 1024U
#define KEPT_BYTES (256U * 1024U) /* of each buffer of a pooled call */
#define FIRST_BODY (256U * 1024U) /* allocated on a header's word alone */
#define ALIGNMENT 64U

struct cvg__call *cvg__call_take(struct cvg__server *server)
{
    struct cvg__call *call = server->pool.free;
    if (call != NULL) {
        server->pool.free = call->next;
        server->pool.n_free--;
        call->next = NULL;
    } else {
        call = calloc(1, sizeof *call);
        if (call == NULL) {
            return NULL;
        }
    }
    call->server = server;
    call->phase = CVG__READING;
    call->header = CVG__HEADER_ABSENT;
    call->binary_header = CVG__HEADER_ABSENT;
    server->n_calls++;
    return call;
}

/* What the next request must not see; memory of ordinary size stays. */
static void reset(struct cvg__call *call)
{
    struct cvg__call kept = {
        .body = {.memory = call->body.memory, .cap = call->body.cap},
        .infer = call->infer,
        .text = call->text,
        .rows = {.inputs = call->rows.inputs,
                 .outputs = call->rows.outputs,
                 .each = call->rows.each,
                 .room_inputs = call->rows.room_inputs,
                 .room_outputs = call->rows.room_outputs,
                 .room_each = call->rows.room_each}};
    if (kept.body.cap + call->body.offset > KEPT_BYTES) {
        free(kept.body.memory);
        kept.body = (struct cvg__body){0};
    } else {
        kept.body.cap += call->body.offset;
    }
    if (kept.rows.room_inputs > 256) {
        free(kept.rows.inputs);
        kept.rows.inputs = NULL;
        kept.rows.room_inputs = 0;
    }
    if (kept.rows.room_outputs > 256) {
        free(kept.rows.outputs);
        kept.rows.outputs = NULL;
        kept.rows.room_outputs = 0;
    }
    if (kept.rows.room_each > 256) {
        free(kept.rows.each);
        kept.rows.each = NULL;
        kept.rows.room_each = 0;
    }
    cvg__text_reset(&kept.text, KEPT_BYTES);
    *call = kept;
}

static void destroy(struct cvg__call *call)
{
    cvg__infer_fini(&call->infer);
    cvg__text_fini(&call->text);
    free(call->body.memory);
    free(call->rows.inputs);
    free(call->rows.outputs);
    free(call->rows.each);
    free(call);
}

void cvg__call_release(struct cvg__call *call)
{
    struct cvg__server *server = call->server;
    if (call->http != NULL || call->lent > 0) {
        return;
    }
    cvg__call_free_outputs(call);
    cvg__give_conditions(call);
    cvg__infer_reset(&call->infer);
    server->bytes -= call->counted;
    server->n_calls--;
    if (server->pool.n_free >= POOLED_CALLS) {
        destroy(call);
        return;
    }
    reset(call);
    call->next = server->pool.free;
    server->pool.free = call;
    server->pool.n_free++;
}

void cvg__call_pool_fini(struct cvg__call_pool *pool)
{
    while (pool->free != NULL) {
        struct cvg__call *call = pool->free;
        pool->free = call->next;
        destroy(call);
    }
    pool->n_free = 0;
}

/* --- body ----------------------------------------------------------------- */

/* Binary data begin right after the JSON, whose length the header tells: laid
 * so that they are aligned, they need not be copied again. */
static size_t offset_for(const struct cvg__call *call)
{
    return call->header <= 0
               ? 0
               : (ALIGNMENT - (size_t)call->header % ALIGNMENT) % ALIGNMENT;
}

static bool grow(struct cvg__call *call, size_t need)
{
    struct cvg__body *b = &call->body;
    size_t cap = b->cap < FIRST_BODY ? 4096 : b->cap * 2;
    if (cap < need && need <= FIRST_BODY) {
        cap = need;
    }
    while (cap < need) {
        cap *= 2;
    }
    size_t memory = (cap + b->offset + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    unsigned char *to = aligned_alloc(ALIGNMENT, memory);
    if (to == NULL) {
        return false;
    }
    if (b->len > 0) {
        memcpy(to + b->offset, b->memory + b->offset, b->len);
    }
    free(b->memory);
    b->memory = to;
    b->cap = memory - b->offset;
    return true;
}

bool cvg__call_body_add(struct cvg__call *call, const void *bytes, size_t n)
{
    struct cvg__body *b = &call->body;
    if (b->len == 0) {
        b->cap += b->offset;
        b->offset = offset_for(call);
        b->cap -= b->cap < b->offset ? b->cap : b->offset;
    }
    size_t need = b->len + n;
    if (need > b->cap && !grow(call, need)) {
        return false;
    }
    memcpy(b->memory + b->offset + b->len, bytes, n);
    b->len = need;
    return true;
}

void cvg__call_count(struct cvg__call *call)
{
    size_t now = call->body.len + cvg__infer_bytes(&call->infer);
    call->server->bytes += now - call->counted;
    call->counted = now;
}

/* --- rows ----------------------------------------------------------------- */

static bool room(void **array, size_t *have, size_t need, size_t size)
{
    if (*have < need) {
        void *more = realloc(*array, need * size);
        if (more == NULL) {
            return false;
        }
        *array = more;
        *have = need;
    }
    return true;
}

bool cvg__call_rows(struct cvg__call *call, uint32_t n, size_t n_inputs,
                    size_t n_outputs)
{
    struct cvg__rows *r = &call->rows;
    if (!room((void **)&r->inputs, &r->room_inputs, n * n_inputs,
              sizeof *r->inputs) ||
        !room((void **)&r->outputs, &r->room_outputs, n * n_outputs,
              sizeof *r->outputs) ||
        !room((void **)&r->each, &r->room_each, n, sizeof *r->each)) {
        return false;
    }
    for (size_t i = 0; i < n * n_outputs; i++) {
        r->outputs[i].data = NULL;
    }
    memset(r->each, 0, n * sizeof *r->each);
    r->n = n;
    return true;
}

void cvg__call_free_outputs(struct cvg__call *call)
{
    struct cvg__rows *r = &call->rows;
    if (r->n == 0 || call->infer.model == NULL) {
        return;
    }
    for (size_t i = 0; i < r->n * call->infer.model->n_outputs; i++) {
        cvg_tensor_release(&r->outputs[i]);
    }
    for (uint32_t row = 0; row < r->n; row++) {
        cvg__row_release(&r->each[row]);
    }
    r->n = 0;
}

void cvg__row_release(struct cvg__row *row)
{
    cvg_features_release(row->features);
    row->features = NULL;
}

/* --- reply ---------------------------------------------------------------- */

void cvg__call_reply(struct cvg__call *call, unsigned status, const char *type)
{
    call->status = status;
    call->type = type;
    if (!cvg__text_ok(&call->text)) {
        call->status = 500;
        call->apart.n = 0;
        cvg__text_reset(&call->text, 0);
    }
    call->phase = CVG__ANSWERED;
    cvg__http_wake(call);
}

void cvg__call_error(struct cvg__call *call, unsigned status,
                     const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (status == 500) { /* our own fault; the others are the client's */
        cvg__log('E', "event=request_failed x_request_id=\"%s\" error=\"%s\"",
                 call->client_id != NULL ? call->client_id : "", text);
    }
    call->text.len = 0;
    call->apart.n = 0;
    call->binary_header = CVG__HEADER_ABSENT;
    cvg__text_str(&call->text, "{\"error\":");
    cvg__text_json(&call->text, text);
    cvg__text_str(&call->text, "}");
    cvg__call_reply(call, status, "application/json");
}

void cvg__call_abandon(struct cvg__call *call, const char *why)
{
    cvg__repository_forget(call);
    cvg__infer_cancel(call, true);
    cvg__call_error(call, 503, "%s", why);
}
