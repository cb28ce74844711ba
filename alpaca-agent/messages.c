#include "messages.h"

#include "log.h"
#include "system_source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void message_status(const char *session, bool online, bool stopped, int64_t at_ms, struct buf *out)
{
    struct status status = {.online = online, .stopped = stopped, .at_ms = at_ms};
    snprintf(status.session, sizeof status.session, "%s", session);
    int e = status_encode(out, &status);
    if (e) {
        log_error("status: %s", strerror(-e));
    }
}

static void own_url(const struct config *config, const char *address, char url[URL_MAX + 1])
{
    url[0] = '\0';
    if (config->announce == ANNOUNCE_URL) {
        snprintf(url, URL_MAX + 1, "%s", config->announce_url);
    } else if (config->announce == ANNOUNCE_AUTO && address && address_is_reachable(address) &&
               url_at_address(&config->url, address, url, URL_MAX + 1) != 0) {
        url[0] = '\0';
    }
}

int message_heartbeat(const struct config *config, const struct agent *agent, uint64_t seq,
                      const char *address, struct now now, struct buf *out)
{
    struct heartbeat heartbeat;
    agent_heartbeat(agent, now, &heartbeat);
    heartbeat.type = config->type;
    heartbeat.seq = seq;
    snprintf(heartbeat.version, sizeof heartbeat.version, "%s", PROJECT_VERSION);
    heartbeat.uptime_s = system_uptime_s("");
    heartbeat.interval_s = config->heartbeat_s;
    heartbeat.utc_offset_s = system_utc_offset_s((time_t)(now.wall_ms / 1000));
    memcpy(heartbeat.labels, config->labels, sizeof heartbeat.labels);
    heartbeat.label_count = config->label_count;
    own_url(config, address, heartbeat.url);
    return heartbeat_encode(out, &heartbeat);
}
