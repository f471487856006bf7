/* What a service manager is told: the protocol of sd_notify(3), which is one
 * datagram to the socket that NOTIFY_SOCKET names. */
#ifndef CVG_SERVE_NOTIFY_H
#define CVG_SERVE_NOTIFY_H

/* "READY=1", "STOPPING=1"; "WATCHDOG=1" once a second from the loop, so that a
 * loop that hangs is seen (WatchdogSec of 3 s and more). Nobody to tell: does
 * nothing. */
void cvg__notify(const char *state);

#endif
