#include "common/conf_table.h"

#include <string.h>

#include "common/conf.h"

#define AT(field)       .offset = offsetof(struct conf, field)
#define RANGE(lo, hi)   .min = lo, .max = hi, .range = #lo " to " #hi
#define RANGE_S(lo, hi) .min = lo * 1000.0 + 0.5, .max = hi * 1000.0 + 0.5, .range = #lo " to " #hi

#define IGNORED(sect, key, kind)                                           \
    {                                                                      \
        .section = sect, .name = key, .type = kind, .offset = CONF_IGNORED \
    }

#define WORDS(...)                 \
    .words = (const char *const[]) \
    {                              \
        __VA_ARGS__, NULL          \
    }

#define LEVELS                                                                                 \
    .words =                                                                                   \
        (const char *const[]){"Verbose", "Information", "Warning", "Error", "Critical", NULL}, \
    .range = "Verbose, Information, Warning, Error, Critical, or 0 to 4"

// clang-format off
static const struct conf_row rows[] = {
    {"Cluster", "MasterNodeIP", .type = CONF_HOST, AT(cluster.master_node_ip),
     .range = "an address or host name", .dflt = "\"127.0.0.1\"",
     .doc = "Where the master listens and the workers find it."},
    {"Cluster", "MasterNodeIsWorker", .type = CONF_BOOL, AT(cluster.master_node_is_worker),
     .range = "true, false", .dflt = "true", .reloadable = true,
     .doc = "Whether the worker whose NodeName is the master's makes load; false: it only watches."},
    {"Cluster", "GRPCPort", .type = CONF_COUNT, AT(cluster.grpc_port), RANGE(0, 65535),
     .dflt = "5001", .doc = "The master's port for workers; 0 lets the master take any free one."},
    {"Cluster", "ExpectedNumberOfWorkers", .type = CONF_COUNT, AT(cluster.expected_workers),
     RANGE(0, 100000), .dflt = "0", .reloadable = true,
     .doc = "How many workers must have submitted before a run starts; 0: the first is enough."},
    {"Cluster", "NodeName", .type = CONF_NODE, AT(cluster.node_name),
     .range = "1 to 64 of A-Z a-z 0-9 . _ -", .dflt = NULL,
     .doc = "This node's name; no two workers may have the same."},
    {"Cluster", "StartLead", .type = CONF_SECONDS, AT(cluster.start_lead_ms), RANGE_S(0, 60),
     .dflt = "2", .reloadable = true,
     .doc = "Time from Ready to the common start; longer on a slow network."},
    {"Cluster", "Lease", .type = CONF_SECONDS, AT(cluster.lease_ms), RANGE_S(0.3, 3600),
     .dflt = "3", .doc = "Silence after which the master counts a worker as lost."},
    {"Cluster", "ReconnectDelay", .type = CONF_SECONDS, AT(cluster.backoff_min_ms),
     RANGE_S(0.01, 60), .dflt = "0.5", .reloadable = true,
     .doc = "First pause of a worker before it tries again to reach the master."},
    {"Cluster", "ReconnectDelayMax", .type = CONF_SECONDS, AT(cluster.backoff_max_ms),
     RANGE_S(0.01, 3600), .dflt = "5", .reloadable = true,
     .doc = "Longest such pause; not below ReconnectDelay."},
    {"Cluster", "ConnectTimeout", .type = CONF_SECONDS, AT(cluster.connect_timeout_ms),
     RANGE_S(0.05, 60), .dflt = "2",
     .doc = "How long an attempt to reach the master may take."},
    {"Cluster", "RejoinGrace", .type = CONF_SECONDS, AT(cluster.rejoin_grace_ms),
     RANGE_S(0, 3600), .dflt = "10", .reloadable = true,
     .doc = "How long a run waits at its end for a lost worker to come back."},
    {"Cluster", "MasterLossTimeout", .type = CONF_SECONDS, AT(cluster.master_loss_timeout_ms),
     RANGE_S(0, 86400), .dflt = "60", .reloadable = true,
     .doc = "How long a worker goes on with a run whose master is gone."},
    {"Cluster", "DrainTimeout", .type = CONF_SECONDS, AT(cluster.drain_ms), RANGE_S(0, 3600),
     .dflt = "5", .reloadable = true,
     .doc = "How long requests in flight may go on after a cancel."},
    {"Cluster", "Insecure", .type = CONF_BOOL, AT(cluster.insecure), .range = "true, false",
     .dflt = "false",
     .doc = "Allows gRPC in plain text on addresses other than this host's loopback."},

    {"Dashboard", "BuiltInDashboard", .type = CONF_BOOL, AT(dashboard.enabled),
     .range = "true, false", .dflt = "true",
     .doc = "Whether the master serves the dashboard, REST and events."},
    {"Dashboard", "Port", .type = CONF_COUNT, AT(dashboard.port), RANGE(0, 65535), .dflt = "8009",
     .doc = "Its port on the loopback address; 0 takes any free one."},
    {"Dashboard", "RefreshRate", .type = CONF_COUNT, AT(dashboard.refresh_s), RANGE(1, 3600),
     .dflt = "3", .doc = "Seconds between two updates of the page."},

    {"HttpClient", "ClientTimeoutInSeconds", .type = CONF_SECONDS, AT(http_client.timeout_ms),
     RANGE_S(0.001, 86400), .dflt = "60", .reloadable = true,
     .doc = "How long a request may take, from when it may be sent to the last byte of the response."},
    {"HttpClient", "ConnectTimeoutInSeconds", .type = CONF_SECONDS,
     AT(http_client.connect_timeout_ms), RANGE_S(0, 86400), .dflt = "0", .reloadable = true,
     .doc = "How long opening a connection may take, its proxy and TLS included; 0: no limit of its own."},
    {"HttpClient", "FirstByteTimeoutInSeconds", .type = CONF_SECONDS,
     AT(http_client.first_byte_timeout_ms), RANGE_S(0, 86400), .dflt = "0", .reloadable = true,
     .doc = "How long the response may take to begin, from the last byte sent; 0: no limit of its own."},
    {"HttpClient", "PooledConnectionLifeTimeInSeconds", .type = CONF_SECONDS,
     AT(http_client.lifetime_ms), RANGE_S(0.001, 31536000), .dflt = "1500", .reloadable = true,
     .doc = "Age from which a connection serves no further request."},
    {"HttpClient", "PooledConnectionIdleTimeoutInSeconds", .type = CONF_SECONDS,
     AT(http_client.idle_ms), RANGE_S(0.001, 31536000), .dflt = "350", .reloadable = true,
     .doc = "A connection unused for this long is closed; not above PooledConnectionLifeTimeInSeconds."},
    {"HttpClient", "MaxConnectionsPerServer", .type = CONF_COUNT, AT(http_client.connections_max),
     RANGE(1, 2147483647), .dflt = "3000", .reloadable = true,
     .doc = "How many connections a client may have to one server."},
    {"HttpClient", "VerifyCertificates", .type = CONF_BOOL, AT(http_client.verify),
     .range = "true, false", .dflt = "false", .reloadable = true,
     .doc = "Whether a server's certificate must be valid and bear its name."},
    {"HttpClient", "CertificateAuthorities", .type = CONF_PATH_OR_NULL, AT(http_client.ca_file),
     .range = "the absolute path of a PEM file, or null", .dflt = "null", .reloadable = true,
     .doc = "Whom to believe with VerifyCertificates, read at each submission; null: the system's."},
    {"HttpClient", "Proxy", .type = CONF_PROXY_OR_NULL, AT(http_client.proxy),
     .range = "http://host:port without a user, or null", .dflt = "null", .reloadable = true,
     .doc = "The HTTP proxy that requests go through."},
    {"HttpClient", "NoProxy", .type = CONF_NO_PROXY_OR_NULL, AT(http_client.no_proxy),
     .range = "host names, addresses, * with commas between, or null", .dflt = "null",
     .reloadable = true, .doc = "Hosts that are reached without the proxy."},
    {"HttpClient", "SourceAddresses", .type = CONF_ADDRESSES_OR_NULL, AT(http_client.source),
     .range = "addresses with commas between, or null", .dflt = "null", .reloadable = true,
     .doc = "This host's addresses that connections come from, in turn; null: the system chooses."},
    {"HttpClient", "HeaderValidationMode", .type = CONF_CHOICE, AT(http_client.headers),
     WORDS("Strict", "Lenient", "RawPassthrough"), .range = "Strict, Lenient, RawPassthrough",
     .dflt = "\"RawPassthrough\"", .reloadable = true,
     .doc = "Which headers a plan may set."},
    {"HttpClient", "AllowHostOverride", .type = CONF_BOOL, AT(http_client.allow_host),
     .range = "true, false", .dflt = "false", .reloadable = true,
     .doc = "Whether a plan may set Host in mode Lenient; not with Strict."},
    {"HttpClient", "ServerTimeHeader", .type = CONF_HEADER_OR_NULL, AT(http_client.server_time),
     .range = "a header's name, or null", .dflt = "null", .reloadable = true,
     .doc = "The header of an answer in which the server tells how long it took, such as Server-Timing."},
    {"HttpClient", "ServerTimeFormat", .type = CONF_CHOICE, AT(http_client.server_time_format),
     WORDS("Auto", "Milliseconds", "Seconds", "ServerTiming"),
     .range = "Auto, Milliseconds, Seconds, ServerTiming", .dflt = "\"Auto\"", .reloadable = true,
     .doc = "How it tells it; Auto: as entries where there is dur=, else as milliseconds."},

    {"FileLogger", "ConsoleLoggingLevel", .alias = "ConsoleLogingLevel", .type = CONF_LEVEL,
     AT(logger.console_level), LEVELS, .dflt = "\"Information\"", .reloadable = true,
     .doc = "The least important messages that a daemon logs."},
    IGNORED("FileLogger", "LogFilePath", CONF_TEXT),
    IGNORED("FileLogger", "EnableConsoleLogging", CONF_BOOL),
    IGNORED("FileLogger", "DisableConsoleErrorLogging", CONF_BOOL),
    IGNORED("FileLogger", "DisableFileLogging", CONF_BOOL),
    {"FileLogger", "LoggingLevel", .type = CONF_LEVEL, .offset = CONF_IGNORED, LEVELS},

    {"Watchdog", "SuspensionMode", .type = CONF_CHOICE, AT(watchdog.suspension),
     WORDS("Any", "All"), .range = "Any, All", .dflt = "\"Any\"", .reloadable = true,
     .doc = "Whether one limit that is passed holds requests back, or only all that are set."},
    {"Watchdog", "MaxMemoryMB", .type = CONF_COUNT, AT(watchdog.max_memory_mb),
     RANGE(0, 2147483647), .dflt = "0", .reloadable = true,
     .doc = "Memory of the runner's own in MiB above which requests are held back; 0: no limit."},
    {"Watchdog", "CoolDownMemoryMB", .type = CONF_COUNT, AT(watchdog.cool_memory_mb),
     RANGE(0, 2147483647), .dflt = "0", .reloadable = true,
     .doc = "Down to which it must fall before requests flow again; 0: four fifths of MaxMemoryMB."},
    {"Watchdog", "MaxCPUPercentage", .type = CONF_COUNT, AT(watchdog.max_cpu), RANGE(0, 100),
     .dflt = "0", .reloadable = true,
     .doc = "CPU time of the runner, in percent of all CPUs it may use, from which requests are held back; 0: no limit."},
    {"Watchdog", "CoolDownCPUPercentage", .type = CONF_COUNT, AT(watchdog.cool_cpu),
     RANGE(0, 100), .dflt = "0", .reloadable = true,
     .doc = "Below which it must fall before requests flow again; 0: four fifths of MaxCPUPercentage."},
    {"Watchdog", "MaxConcurrentConnectionsCountPerHostName", .type = CONF_COUNT,
     AT(watchdog.max_in_flight), RANGE(0, 2147483647), .dflt = "0", .reloadable = true,
     .doc = "Requests in flight to one host name above which requests are held back; 0: no limit."},
    {"Watchdog", "CoolDownConcurrentConnectionsCountPerHostName", .type = CONF_COUNT,
     AT(watchdog.cool_in_flight), RANGE(0, 2147483647), .dflt = "0", .reloadable = true,
     .doc = "Down to which they must fall before requests flow again; 0: four fifths of MaxConcurrentConnectionsCountPerHostName."},
    {"Watchdog", "CoolDownRetryTimeInMs", .type = CONF_COUNT, AT(watchdog.sample_ms),
     RANGE(10, 60000), .dflt = "100", .reloadable = true,
     .doc = "Milliseconds from one look at the limits to the next."},
    {"Watchdog", "MaxCoolingPeriod", .type = CONF_SECONDS, AT(watchdog.max_cooling_ms),
     RANGE_S(0.001, 86400), .dflt = "30", .reloadable = true,
     .doc = "How long requests are held back at most; then they flow, whatever the pressure."},
    {"Watchdog", "ResumeCoolingAfter", .type = CONF_SECONDS, AT(watchdog.resume_ms),
     RANGE_S(0.001, 86400), .dflt = "90", .reloadable = true,
     .doc = "How long they flow then before the limits hold again."},

    IGNORED("InfluxDB", "Enabled", CONF_BOOL),
    IGNORED("InfluxDB", "Url", CONF_TEXT),
    IGNORED("InfluxDB", "Token", CONF_TEXT),
    IGNORED("InfluxDB", "Organization", CONF_TEXT),
    IGNORED("InfluxDB", "Bucket", CONF_TEXT),
};
// clang-format on

const struct conf_row *conf_row_at(size_t i)
{
    return i < sizeof rows / sizeof *rows ? &rows[i] : NULL;
}

const struct conf_row *conf_row_find(const char *section, const char *key)
{
    const struct conf_row *row;

    for (size_t i = 0; (row = conf_row_at(i)) != NULL; i++)
        if (strcmp(row->section, section) == 0 &&
            (strcmp(row->name, key) == 0 || (row->alias != NULL && strcmp(row->alias, key) == 0)))
            return row;
    return NULL;
}

const char *conf_section_find(const char *name)
{
    const struct conf_row *row;

    if (strcmp(name, "LPSDashboardConfiguration") == 0)
        name = "Dashboard";
    for (size_t i = 0; (row = conf_row_at(i)) != NULL; i++)
        if (strcmp(row->section, name) == 0)
            return row->section;
    return NULL;
}
