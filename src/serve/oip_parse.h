/* What the two files that parse an infer request share: oip_request.c (the
 * whole, parameters, outputs) and oip_input.c (one input). */
#ifndef CVG_SERVE_OIP_PARSE_H
#define CVG_SERVE_OIP_PARSE_H

#include "serve/oip.h"

struct cvg__parse {
    struct cvg__infer *infer;
    const struct cvg_model_info *model;
    const struct cvg__oip_limits *limits;
    struct cvg_json json;
    unsigned char *blob; /* the binary data not taken yet */
    size_t blob_left;
    size_t room; /* bytes of the body: no tensor of JSON has more values */
    struct cvg_error *err;
};

/* The client's fault; returns false. */
bool cvg__parse_fail(struct cvg__parse *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A whole number between `min` and `max`. */
bool cvg__parse_count(struct cvg__parse *p, const char *key, int64_t min,
                      int64_t max, int64_t *out);
/* Calls `each` for every key of the object that comes next. */
bool cvg__parse_object(struct cvg__parse *p, void *context,
                       bool (*each)(struct cvg__parse *p, const char *key,
                                    void *context));
/* "'x', 'y' and 3 more": what would have done. */
void cvg__parse_names(char *out, size_t size,
                      const struct cvg_tensor_info *tensors, size_t n);

/* One element of `inputs`, into its place in infer->inputs. */
bool cvg__parse_input(struct cvg__parse *p);
/* The rest of the body is the data of the only input; one row. Its one
 * variable dimension, if there is one, follows from the size. */
bool cvg__parse_raw_input(struct cvg__parse *p);

#endif
