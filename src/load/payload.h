/* An infer request as text: HTTP header and JSON; the tensor's bytes follow it
 * on the wire as they are (binary tensor extension). */
#ifndef CVG_LOAD_PAYLOAD_H
#define CVG_LOAD_PAYLOAD_H

#include <convergo/slo.h>
#include <convergo/status.h>
#include <jansson.h>
#include <stddef.h>

#define CVG__LOAD_DIMS 16

struct cvg__input { /* the one input of a model, as its metadata say */
    char name[129];
    char datatype[8];
    size_t element_bytes;
    size_t n_dims;
    json_int_t dims[CVG__LOAD_DIMS]; /* of one item: the batch is 1 */
    size_t bytes;
};

/* From the reply to GET /v2/models/MODEL. CVG_UNSUPPORTED: several inputs, a
 * type or a shape that we cannot fill. */
enum cvg_status cvg__input_read(const json_t *metadata, const char *model,
                                struct cvg__input *out, struct cvg_error *err);

struct cvg__payload {
    const char *host, *model;
    const char *app; /* NULL: none is named */
    const struct cvg__input *input;
    uint32_t overrides; /* kinds of `bounds` to send along */
    struct cvg_slo bounds;
    const char *conditions; /* NULL: its app's */
};

/* Owned by the caller: free(). NULL: no memory. */
char *cvg__payload_text(const struct cvg__payload *payload, size_t *size);

#endif
