/* The record of a live run (--record). Serving never waits for it: when it has
 * to end early, that is said once, and counted. */
#include "serve/server.h"

#include "serve/log.h"
#include <time.h>

enum cvg_status cvg__record_open(struct cvg__server *s,
                                 const struct cvg_config_texts *texts,
                                 struct cvg_error *err)
{
    if (s->options->record == NULL) {
        return CVG_OK;
    }
    struct cvg_record_options options = {.path = s->options->record,
                                         .mode = "live",
                                         .texts = texts,
                                         .policy = s->options->policy,
                                         .began_unix = time(NULL),
                                         .limit = s->options->limits.record};
    enum cvg_status status = cvg_recorder_open(&options, &s->recorder, err);
    return status == CVG_OK ? cvg_recorder_begin(s->recorder, s->engine, err)
                            : status;
}

/* A kill loses what happened since the last tick. */
void cvg__record_tick(struct cvg__server *s)
{
    if (s->recorder == NULL) {
        return;
    }
    cvg_recorder_flush(s->recorder);
    struct cvg_recorder_state state = cvg_recorder_state(s->recorder);
    if (state.stopped && !s->record_told) {
        s->record_told = true;
        cvg__log(
            'E', "event=record_stopped file=\"%s\" steps=%llu error=\"%s\"",
            s->options->record, (unsigned long long)state.steps, state.why);
    }
}

void cvg__record_close(struct cvg__server *s, bool ran)
{
    struct cvg_error err = {.text = ""};
    if (s->recorder == NULL) {
        return;
    }
    if (!ran) {
        cvg_recorder_discard(s->recorder);
    } else if (cvg_recorder_close(s->recorder, &err) != CVG_OK) {
        cvg__log('E', "event=record_incomplete error=\"%s\"", err.text);
    } else {
        cvg__log('I', "event=recorded file=\"%s\"", s->options->record);
    }
    s->recorder = NULL;
}
