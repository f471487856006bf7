/* The infer call of the Open Inference Protocol v2, REST, with the binary
 * tensor extension: bytes to tensors and back. Pure: no sockets, no engine.
 *
 * A request of shape [k, ...] has k rows; each row is one request of the
 * engine. Tensors point into the body where they can (binary data, aligned)
 * and are copied once where they cannot (JSON, or an odd offset). */
#ifndef CVG_SERVE_OIP_H
#define CVG_SERVE_OIP_H

#include "serve/json.h"
#include "serve/text.h"
#include <convergo/device.h>
#include <convergo/request.h>

#define CVG__NAME_MAX 128U /* bytes of a model's or tensor's name */

struct cvg__oip_limits { /* each a flag of `convergo serve` */
    unsigned json_depth; /* 32 */
    unsigned dims;       /* 16, at most CVG_MAX_DIMS */
    unsigned tensors;    /* inputs, and outputs, of one request; 256 */
    unsigned rows;       /* 256 */
};

enum { CVG__HEADER_ABSENT = -1 }; /* no Inference-Header-Content-Length */

struct cvg__infer_input {     /* of the model, in its order */
    struct cvg_tensor tensor; /* whole, with the batch dimension */
    bool given;
    bool owned; /* tensor.data was allocated: not in the body */
};

struct cvg__infer_output {
    uint32_t index; /* in the model */
    bool binary;
    bool said; /* by the output itself, not by the request's default */
};

struct cvg__infer { /* a parsed request; cvg__infer_fini() */
    const struct cvg_model_info *model; /* borrowed */
    struct cvg_slice id; /* a JSON string with quotes, in the body; or empty */
    uint32_t rows;

    struct cvg__infer_input *inputs;   /* model->n_inputs */
    struct cvg__infer_output *outputs; /* in the order of the reply */
    size_t n_inputs;                   /* in use, of `inputs` */
    uint32_t n_outputs;
    size_t room_inputs, room_outputs;
    bool all_outputs;   /* the request lists none */
    bool binary_output; /* unless an output says otherwise */

    char app[CVG__NAME_MAX + 1]; /* slo_app; empty: not given */
    int32_t priority;
    cvg_span timeout;
    uint32_t overrides; /* kinds of `bounds` that were given */
    struct cvg_slo bounds;
    /* slo_conditions, a JSON string with quotes, in the body; or empty. */
    struct cvg_slice conditions;
    bool no_conditions; /* null stands there; only where that is allowed */
    bool has_objective; /* only of an application */
    enum cvg_objective objective;
};

/* Keeps its memory for the next request; `keep` bytes at most. */
void cvg__infer_reset(struct cvg__infer *infer);
void cvg__infer_fini(struct cvg__infer *infer);

/* Parses a body of `size` bytes at `body`. `header` is the value of
 * Inference-Header-Content-Length (0: the body is the one input, raw), or
 * CVG__HEADER_ABSENT. The body must live as long as `infer`; the memory before
 * it may be laid so that the byte after the JSON is aligned to 64.
 * CVG_INVALID: the client's fault, `err` says what; CVG_NOMEM. */
enum cvg_status cvg__infer_parse(struct cvg__infer *infer,
                                 const struct cvg_model_info *model,
                                 const struct cvg__oip_limits *limits,
                                 unsigned char *body, size_t size,
                                 int64_t header, struct cvg_error *err);

/* A JSON object with bounds alone, by the names that parameters have, and
 * `slo_conditions`, which may be null; `of_app`: `slo_objective`, too. Into
 * those members of `out` (zeroed). At least one must be there. CVG_INVALID, as
 * above. */
enum cvg_status cvg__bounds_parse(struct cvg__infer *out, bool of_app,
                                  const void *body, size_t size,
                                  struct cvg_error *err);

/* Row `row` of input `k`: a view into the request's tensor. */
void cvg__infer_row(const struct cvg__infer *infer, uint32_t row, size_t k,
                    struct cvg_tensor *out);
/* Bytes that were allocated beside the body. */
size_t cvg__infer_bytes(const struct cvg__infer *infer);

/* --- reply ---------------------------------------------------------------- */

struct cvg__infer_result {  /* of all rows together */
    const char *model_name; /* as asked for: a family or a variant */
    const char *model_version;
    /* Of the row that ended last: */
    const char *variant, *device;
    uint32_t exit;
    cvg_span queued, ran;
    bool deadline_met;
    bool emulated;       /* any of them */
    double accuracy;     /* the least */
    double energy_j;     /* the sum */
    uint64_t request_id; /* of the first row; the others follow */
    uint32_t relaxed;    /* kinds */
};

/* Large binary data of a reply, which follow its text from where they lie. */
#define CVG__APART_MOST 32U
struct cvg__apart {
    unsigned n;
    struct cvg__piece {
        const void *data; /* of an output of the rows */
        size_t bytes;
    } pieces[CVG__APART_MOST];
};

/* Writes the reply. `rows[r * model->n_outputs + k]` is output k of row r, a
 * tensor without the batch dimension. *header: bytes of the JSON when binary
 * data follow it, else CVG__HEADER_ABSENT. apart->n > 0: they follow apart, and
 * the rows must stay until the reply is sent; else they are in the text.
 * CVG_DEVICE: the outputs are not what the model says, or those of the rows
 * differ in shape; CVG_INVALID: a type that JSON cannot carry. */
enum cvg_status cvg__infer_reply(struct cvg_text *t,
                                 const struct cvg__infer *infer,
                                 const struct cvg__infer_result *result,
                                 const struct cvg_tensor *rows, int64_t *header,
                                 struct cvg__apart *apart,
                                 struct cvg_error *err);

/* "[1,28,28]" for messages. */
void cvg__shape_text(char *out, size_t size, const int64_t *dims, uint32_t n);

/* [A-Za-z0-9._-]{1,128}, no leading dot: names of families and variants. */
bool cvg__name_valid(const char *name);

#endif
