/* What the files that read a box share. */
#ifndef CVG_CONFIG_BOX_READER_H
#define CVG_CONFIG_BOX_READER_H

#include "config/fields.h"
#include "config/name_set.h"

struct cvg_box_reader { /* context of the setters */
    struct cvg_reader reader;
    const struct cvg_files *files;
    unsigned flags;
    const struct cvg_config_notes *notes; /* may be NULL */
    struct cvg_box *box;
    struct cvg_value root; /* while box.yaml is open */
    uint32_t *exits;       /* bits: exits of each variant that have a row */
    /* Names in the CSV files that the box does not have: for hints. */
    struct cvg_name_set other_variants, other_devices;
};

static inline struct cvg_box_reader *cvg__box_reader(
    const struct cvg_reader *reader)
{
    return reader->context;
}

/* devices.c */
extern const struct cvg_items cvg__device_items;
extern const struct cvg_items cvg__contention_items;
/* families.c: fills box->variants too */
extern const struct cvg_items cvg__family_items;
/* apps.c */
extern const struct cvg_items cvg__app_items;
extern const struct cvg_table cvg__slo_table; /* into a struct cvg_slo */

/* app_conditions.c: into a const struct cvg_conditions *; one that is there is
 * freed. */
cvg_field_set cvg__read_conditions;

/* box_csv.c: the files that box.yaml names. */
enum cvg_status cvg__read_variants(struct cvg_box_reader *reader);
enum cvg_status cvg__read_profiles(struct cvg_box_reader *reader);

/* fit.c: each variant must be able to run somewhere. */
enum cvg_status cvg__check_fit(struct cvg_box_reader *reader);
/* Does any variant have a row for this device? */
bool cvg__is_profiled(const struct cvg_box *box, uint32_t device);
/* Where box.yaml says what profiles call the device. */
struct cvg_place cvg__profile_place(const struct cvg_box_reader *reader,
                                    uint32_t device);
/* warnings.c: what is allowed but cannot go well. */
void cvg__warn_box(struct cvg_box_reader *reader);

/* Opens each file of the list at `key` of box.yaml and gives its text (owned by
 * `read`: free()) and resolved path on. */
enum cvg_status cvg__each_csv(
    struct cvg_box_reader *reader, const char *key,
    enum cvg_status (*read)(struct cvg_box_reader *reader, const char *path,
                            char *text, size_t size));

/* Where box.yaml writes a variant's name. */
struct cvg_place cvg__variant_place(const struct cvg_box_reader *reader,
                                    uint32_t variant);

#endif
