// Settings: lpsSettings.json, one table of keys for parsing, checking, printing and documentation.
// PURE but for conf_load, conf_load_or_default, conf_edit and
// conf_take_host_name.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/diag.h"

#define CONF_BYTES_MAX    (1024 * 1024)
#define CONF_LIST_MAX     256 // entries of NoProxy and of SourceAddresses
#define CONF_PATH_DEFAULT "/etc/lps/lpsSettings.json"

// In the order of their words in the table; the same for the next two.
enum conf_headers {
    CONF_HEADERS_STRICT = 0,
    CONF_HEADERS_LENIENT,
    CONF_HEADERS_RAW,
};

enum conf_server_time {
    CONF_SERVER_TIME_AUTO = 0,
    CONF_SERVER_TIME_MILLISECONDS,
    CONF_SERVER_TIME_SECONDS,
    CONF_SERVER_TIME_ENTRIES,
};

enum conf_suspension {
    CONF_SUSPENSION_ANY = 0,
    CONF_SUSPENSION_ALL,
};

struct conf {
    struct {
        char *master_node_ip;        // MasterNodeIP: address or host name
        bool master_node_is_worker;  // MasterNodeIsWorker
        uint64_t grpc_port;          // GRPCPort
        uint64_t expected_workers;   // ExpectedNumberOfWorkers; 0: the first submission is enough
        char *node_name;             // NodeName; NULL: not given and not yet the host's
        uint64_t start_lead_ms;      // StartLead, seconds in the file
        uint64_t lease_ms;           // Lease
        uint64_t backoff_min_ms;     // ReconnectDelay
        uint64_t backoff_max_ms;     // ReconnectDelayMax
        uint64_t connect_timeout_ms; // ConnectTimeout
        uint64_t rejoin_grace_ms;    // RejoinGrace
        uint64_t master_loss_timeout_ms; // MasterLossTimeout
        uint64_t drain_ms;               // DrainTimeout
        bool insecure;                   // Insecure
    } cluster;
    struct {
        bool enabled;       // BuiltInDashboard
        uint64_t port;      // Port
        uint64_t refresh_s; // RefreshRate
    } dashboard;
    struct {
        uint64_t timeout_ms;            // ClientTimeoutInSeconds
        uint64_t connect_timeout_ms;    // ConnectTimeoutInSeconds; 0: only timeout_ms
        uint64_t first_byte_timeout_ms; // FirstByteTimeoutInSeconds; 0: only timeout_ms
        uint64_t lifetime_ms;           // PooledConnectionLifeTimeInSeconds
        uint64_t idle_ms;               // PooledConnectionIdleTimeoutInSeconds
        uint64_t connections_max;       // MaxConnectionsPerServer, of each client
        bool verify;                    // VerifyCertificates
        char *ca_file;                  // CertificateAuthorities; NULL: the system's
        char *proxy;                    // Proxy, "http://host:port"; NULL: none
        char *no_proxy;                 // NoProxy, separated by commas; NULL: none
        char *source;           // SourceAddresses, separated by commas; NULL: the system's choice
        int headers;            // HeaderValidationMode: enum conf_headers
        bool allow_host;        // AllowHostOverride
        char *server_time;      // ServerTimeHeader; NULL: none
        int server_time_format; // ServerTimeFormat: enum conf_server_time
    } http_client;
    struct {
        int suspension;          // SuspensionMode: enum conf_suspension
        uint64_t max_memory_mb;  // MaxMemoryMB; 0: no limit
        uint64_t cool_memory_mb; // CoolDownMemoryMB; 0: four fifths of the limit
        uint64_t max_cpu;        // MaxCPUPercentage, and so on
        uint64_t cool_cpu;       // CoolDownCPUPercentage
        uint64_t max_in_flight;  // MaxConcurrentConnectionsCountPerHostName
        uint64_t cool_in_flight; // CoolDownConcurrentConnectionsCountPerHostName
        uint64_t sample_ms;      // CoolDownRetryTimeInMs
        uint64_t max_cooling_ms; // MaxCoolingPeriod, seconds in the file
        uint64_t resume_ms;      // ResumeCoolingAfter, seconds in the file
    } watchdog;
    struct {
        int console_level; // ConsoleLoggingLevel (or ConsoleLogingLevel): a syslog priority
    } logger;
    // What the file says that has no effect, for one notice: "InfluxDB, FileLogger.LogFilePath";
    // NULL: nothing.
    char *ignored;
};

// All defaults, without a node name. Then conf_free.
struct conf *conf_new(void);
void conf_free(struct conf *conf);
// Strict JSON; sections at the top or inside LPSAppSettings. 0, or -EINVAL: d has all that is
// wrong, as "Cluster.GRPCPort: found 70000, expected 0 to 65535", with its place.
int conf_parse(const char *text, size_t len, struct diag *d, struct conf **ret_conf);
// With the host's name where NodeName is absent. 0; -ENOENT (missing is an error only to who named
// it: others take conf_new and conf_take_host_name); -EINVAL with entries in d; -errno.
int conf_load(const char *path, struct diag *d, struct conf **ret_conf);
// The file that was named; NULL: the default one, or all defaults with the host's name where that
// is missing. Sets the file of d. Otherwise as conf_load.
int conf_load_or_default(const char *named, struct diag *d, struct conf **ret_conf);
// 0, or -EINVAL with an entry in d: the host's name is none for a node.
int conf_take_host_name(struct conf *conf, struct diag *d);
// What docs/settings.md lets change in flight moves from `from`, which is left with what was
// before.
void conf_take_reloadable(struct conf *conf, struct conf *from);
// Effective settings as a file that parses to the same; the caller frees.
char *conf_format(const struct conf *conf);
// Sets "Cluster.GRPCPort" = text in the file's JSON and writes it back whole (temporary file,
// rename), keeping the other members, owner and mode; a file that is missing is made. 0, -EINVAL
// with d (then nothing is written), -errno.
int conf_edit(const char *path, const char *const *keys, const char *const *values, size_t n,
              struct diag *d);

// Where the master's gRPC is: "127.0.0.1:5001", "[::1]:5001"; the caller frees.
char *conf_master_address(const struct conf *conf);
// Whether an address or host name can mean only this host: "localhost", 127.0.0.0/8, ::1.
bool conf_is_loopback(const char *host);
// The entries of a text separated by commas, without blanks around them; NULL has none.
char **conf_list(const char *text, size_t *ret_n);
void conf_list_free(char **list, size_t n);
// 1 to 64 of [A-Za-z0-9._-].
bool conf_is_node_name(const char *name);

// The table, for man pages and tests: row i, false past the end.
struct conf_key {
    const char *section, *name, *type, *range, *dflt, *doc;
    bool reloadable;
};
bool conf_key_at(size_t i, struct conf_key *ret_key);
