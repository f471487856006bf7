/* What each unit should hold, so that as much as possible of all the demand can
 * be met without changing variants where that costs time. */
#ifndef CVG_OPTIMIZE_HOLD_H
#define CVG_OPTIMIZE_HOLD_H

#include <convergo/fluid.h>

/* A first placement: busy[device * n_variants + variant] is the share of the
 * device's time that the variant takes when the demand is as high as it can be
 * (0: not needed). A device that pays for changes is given no more than one
 * cache-full. By linear programs alone, fixing one such device after the other:
 * quick, and nearly always as good as cvg_load_one(). Of `demand`,
 * deadline_share and weighted do not count. */
enum cvg_status cvg_hold(const struct cvg_fluid_demand *demand, double *busy,
                         struct cvg_error *err);

#endif
