/* The table-driven reader: a map of a YAML file into a struct.
 *
 * A table lists the keys that a map may have, each with its type, whether it is
 * required, its range, and where its value goes. Reading is strict: an unknown
 * key, one that stands twice, a missing one, a value without its unit or out of
 * range is an error with its place. Values are read in the order of the table,
 * not of the file, so a field may refer to what one before it has read. */
#ifndef CVG_CONFIG_FIELDS_H
#define CVG_CONFIG_FIELDS_H

#include "config/yaml.h"

#define CVG_MAX_FIELDS 32U

struct cvg_reader {
    struct cvg_source source;
    void *context; /* of the setters */
};

enum cvg_field_type {
    CVG_FIELD_TEXT,   /* char *, owned by the target */
    CVG_FIELD_NAME,   /* char *: see names.h; no slash */
    CVG_FIELD_PATH,   /* char *: may hold slashes, else as a name */
    CVG_FIELD_FILE,   /* char *: resolved from the file that is read */
    CVG_FIELD_SPAN,   /* cvg_span */
    CVG_FIELD_BYTES,  /* uint64_t */
    CVG_FIELD_RATE,   /* double, 1/s */
    CVG_FIELD_POWER,  /* double, W */
    CVG_FIELD_ENERGY, /* double, J */
    CVG_FIELD_BUDGET, /* double, W, as energy in a time */
    CVG_FIELD_NUMBER, /* double */
    CVG_FIELD_COUNT,  /* uint32_t */
    CVG_FIELD_CHOICE, /* enum: the index of one of `names` */
    CVG_FIELD_MAP,    /* `table`, read into the same target */
    CVG_FIELD_ITEMS,  /* a list of maps into an array: `items` */
    CVG_FIELD_EACH,   /* a list: `set` is called for every item */
    CVG_FIELD_SET,    /* `set` is called with the value */
    CVG_FIELD_LATER   /* whatever: read elsewhere */
};

struct cvg_range { /* in base units: ns, bytes, 1/s, W, J */
    double min, max;
    bool above;       /* more than `min`, not `min` itself */
    const char *text; /* "more than 0, at most 10min" */
};

struct cvg_field;
typedef enum cvg_status cvg_field_set(struct cvg_reader *reader,
                                      struct cvg_value value,
                                      const struct cvg_field *field,
                                      void *target);

struct cvg_field {
    const char *key;
    enum cvg_field_type type;
    bool required;
    size_t offset; /* in the target */
    const struct cvg_range *range;
    const char *const *names; /* CHOICE, ended by NULL */
    const struct cvg_table *table;
    const struct cvg_items *items;
    cvg_field_set *set;
};

struct cvg_table {
    const char *what; /* "device", for messages */
    const struct cvg_field *fields;
    size_t n;
    /* Checks and completes the target when all its fields are read; bit i of
     * `given`: the i-th field was there. May be NULL. */
    enum cvg_status (*finish)(struct cvg_reader *reader, struct cvg_value map,
                              void *target, uint64_t given);
};

struct cvg_items {
    const struct cvg_table *table;
    size_t size;         /* of one item */
    size_t count_offset; /* size_t in the target; grows item by item */
    size_t min, max;
    /* The defaults of a new, zeroed item; may be NULL. */
    void (*init)(void *item);
    /* Items begin with their name, and no two share one. */
    bool named;
};

enum cvg_status cvg__read_map(struct cvg_reader *reader, struct cvg_value map,
                              const struct cvg_table *table, void *target);

/* For setters. One value by the type, range and names of `field`, to `out`. */
enum cvg_status cvg__read_scalar(struct cvg_reader *reader,
                                 struct cvg_value value,
                                 const struct cvg_field *field, void *out);
enum cvg_status cvg__read_each(struct cvg_reader *reader, struct cvg_value list,
                               const struct cvg_field *field, void *target);
/* The `version` of a file, which is 1. */
enum cvg_status cvg__set_version(struct cvg_reader *reader,
                                 struct cvg_value value,
                                 const struct cvg_field *field, void *target);
/* `value` must be a list of min to max items. */
enum cvg_status cvg__expect_list(const struct cvg_source *source,
                                 struct cvg_value value, const char *key,
                                 size_t min, size_t max, size_t *n);

#define CVG_TABLE_SIZE(fields) (sizeof(fields) / sizeof *(fields))

#endif
