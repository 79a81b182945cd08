/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's firewall, through ufw: what is there, what has to change, the change itself, and
 * the proof that it does what it should. Public header of the library.
 *
 *     firewall_inspect   reads, changes nothing          preflight, check, doctor
 *     firewall_plan      pure                             "Plan", --dry-run
 *     firewall_apply     the only function that changes   after the person agreed
 *     firewall_verify    pure, over a fresh inspection    proof, status, doctor
 *
 * Wanted, always: deny incoming, allow outgoing, every SSH port in use, the relay's TCP port,
 * the STUN port, and the --allow list. Nobody is locked out: when somebody is logged in over SSH
 * and no SSH port can be found, inspection fails with firewall.ssh.unknown.
 *
 * Findings (ids are stable; fix is set wherever something is to be done):
 *   firewall.ok             ok    ufw is active, everything wanted is proven in both families
 *   firewall.ready          ok    nothing stands in the way of the plan
 *   firewall.ssh.ports      ok    the SSH ports and where each was seen
 *   firewall.ssh.none       ok    no SSH server found and nobody logged in over SSH
 *   firewall.ssh.unknown    fail  somebody is logged in over SSH, no port found
 *   firewall.ufw.missing    warn  not installed, apt can install it / fail: apt cannot
 *   firewall.ufw.conflict   fail  installing ufw would remove other packages (named)
 *   firewall.ufw.unreadable fail  ufw's own state could not be read or understood
 *   firewall.kernel.unreadable, firewall.foreign.unreadable   fail, warn
 *   firewall.foreign.firewalld | .nftables | .iptables | .persistent   fail; .nftables is a warn
 *                           for chains that act before input
 *   firewall.rule.denied    fail  an earlier deny/reject rule of the owner hits a needed port
 *   firewall.rule.partly    warn  a rule may drop some packets to a wanted port
 *   firewall.ssh.restricted warn  the owner's rules open SSH to some sources only; left as it is
 *   firewall.ssh.config     warn  sshd -T failed: ports after a restart are not known
 *   firewall.rule.limited   warn  an existing limit rule on the relay's or the STUN port
 *   firewall.ipv6.off       fail with a public IPv6 address, warn without
 *   firewall.ipv6.none      ok    the kernel has no IPv6
 *   firewall.others         warn  public listeners that will be closed (see state->others)
 *   firewall.docker         warn  published container ports bypass ufw
 *   firewall.forward        warn  the server forwards packets, ufw will drop those
 *   firewall.policy         fail  (verify) default policies are not as wanted
 *   firewall.readback       fail  (verify) a wanted port does not reach ACCEPT in the kernel
 *   firewall.boot           fail  (verify) ufw will not be started at the next boot
 *   firewall.pending        warn  an earlier run left a change unconfirmed
 *   firewall.apply          fail  a command failed; what it said
 *   firewall.busy           fail  another run holds the lock
 *   firewall.timer          fail  the timer that would undo the change cannot be set
 *   firewall.guard          fail  a change that a reboot cuts off would not be undone at boot
 *   firewall.confirmed      ok    a new login has shown that nobody is locked out
 *   firewall.unconfirmed    fail  nobody has logged in anew within the time
 *   firewall.login          fail  (confirm) this is no new login
 *   firewall.restored       warn  (apply) the former rules are back
 *   firewall.restore        fail  (apply) restoring failed; what to do by hand
 */
#ifndef FIREWALL_FIREWALL_H
#define FIREWALL_FIREWALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/finding.h"
#include "firewall/ports.h"

#define FIREWALL_STATE_DIR "/var/lib/derp-setup"

/* Takes a change that is still pending at boot back, before ufw starts; part of the package. */
#define FIREWALL_GUARD_UNIT "derp-fw-guard.service"

/* "9090/tcp". */
struct firewall_port {
    enum ports_proto proto;
    uint16_t port;
};

/* Reads "9090/tcp" or "53/udp" (1..65535); false with a reason on anything else. */
bool firewall_port_parse(const char *text, struct firewall_port *port, struct fault *f);

/*
 * When the proof by rules is not enough: a change that switches ufw on or changes its policies is
 * then kept only once somebody has logged in over SSH by a new connection, or firewall_confirm has
 * said so.
 */
enum firewall_confirm {
    FIREWALL_CONFIRM_NEVER,
    FIREWALL_CONFIRM_RESTRICTED, /* rules of the owner let in SSH from some sources only */
    FIREWALL_CONFIRM_SESSION,    /* somebody is logged in over SSH */
    FIREWALL_CONFIRM_ALWAYS,
};

/* Everything the caller decides. Zero-initialise; pointers are borrowed. */
struct firewall_options {
    uint16_t relay_port;               /* TCP; 0 means 443 */
    uint16_t stun_port;                /* UDP; 0 means 3478 */
    bool no_stun;                      /* the relay runs without STUN */
    const struct firewall_port *allow; /* --allow, and port 80 where http-01 is used */
    size_t allow_count;
    const uint16_t *ssh_ports; /* --ssh-port */
    size_t ssh_count;
    bool close_others;        /* --close-others: the person agreed to firewall.others */
    const char *state_dir;    /* NULL: FIREWALL_STATE_DIR; root's, 0700, must exist for apply */
    const volatile int *stop; /* non-zero: end early (Ctrl-C); NULL: never */
    /* What systemd runs to undo the change should this program die in the middle: a command that
     * calls firewall_rollback, NULL-terminated, with an absolute path. NULL: nothing can be
     * changed (firewall.timer). */
    const char *const *rollback;
    enum firewall_confirm confirm;
    unsigned confirm_timeout; /* seconds to wait for it, 0 means 180 */
    bool unguarded; /* for tests, where systemd does not run: no timer, no guard at boot */
};

/* Where an SSH port was seen; a port may have several. */
enum firewall_ssh_source {
    FIREWALL_SSH_LISTENER = 1,     /* an sshd listens on it now */
    FIREWALL_SSH_SOCKET = 2,       /* systemd's ssh.socket listens on it, or will */
    FIREWALL_SSH_CONFIG = 4,       /* sshd -T: listens on it after a restart or reboot */
    FIREWALL_SSH_CONNECTION = 8,   /* the connection this very program was started over */
    FIREWALL_SSH_ENVIRONMENT = 16, /* SSH_CONNECTION */
    FIREWALL_SSH_OPTION = 32,      /* --ssh-port */
};

struct firewall_ssh_port {
    uint16_t port;
    unsigned sources; /* bits of enum firewall_ssh_source */
};

struct firewall_facts; /* what was read from ufw, the kernel and apt; private */

/* What is there. Filled by firewall_inspect, freed by firewall_state_free. */
struct firewall_state {
    bool ufw_installed;
    bool ufw_active;
    bool ufw_at_boot;              /* ENABLED=yes, and the unit enabled where systemd runs */
    bool ssh_session;              /* somebody is logged in over SSH */
    struct firewall_ssh_port *ssh; /* sorted by port */
    size_t ssh_count;
    struct ports_list others; /* public listeners that can be reached now and will be closed:
                                 under --yes the caller stops when count > 0 and neither
                                 close_others nor an --allow covers them */
    char forwards[16]; /* an interface whose packets the server forwards and an active ufw would
                          drop; "" when there is none: under --yes likewise */
    struct firewall_facts *facts;
};

/*
 * Reads everything and changes nothing (/run/sshd is made for `sshd -T` and removed again).
 * Each problem is one finding; a SEVERITY_FAIL among them means that firewall_apply must not be
 * called. When ufw is not installed, apt is asked by simulation, if need be with package lists
 * fetched into a temporary folder.
 * Returns false when it was stopped or could not read enough to plan (a finding says so).
 * state is overwritten; free it in both cases.
 */
bool firewall_inspect(const struct firewall_options *o, struct firewall_state *state,
                      struct findings *all);
void firewall_state_free(struct firewall_state *state);

enum firewall_step_kind {
    FIREWALL_STEP_INSTALL, /* apt-get install ufw */
    FIREWALL_STEP_ALLOW,   /* one rule */
    FIREWALL_STEP_DEFAULT, /* one default policy */
    FIREWALL_STEP_ENABLE,  /* ufw --force enable */
    FIREWALL_STEP_BOOT,    /* systemctl enable ufw */
};

struct firewall_step {
    enum firewall_step_kind kind;
    char *text;  /* for people: "allow 22/tcp (SSH)" */
    char **argv; /* the exact command, NULL-terminated */
};

/* Count 0: everything is as wanted already. */
struct firewall_plan {
    struct firewall_step *steps;
    size_t count;
    char *summary; /* one line: "allow 22/tcp, 443/tcp, 3478/udp; deny other incoming" */
};

/* Pure: the steps from state to what is wanted. Free with firewall_plan_free. */
void firewall_plan(const struct firewall_options *o, const struct firewall_state *state,
                   struct firewall_plan *plan);
void firewall_plan_free(struct firewall_plan *plan);

/* One change, told before it is made, so that a journal can undo exactly what was done. "forward"
 * is none: that FORWARD was closed is told before ufw is enabled, which opens it when it goes off,
 * and is to be undone after that. */
struct firewall_change {
    const char *what;   /* "package", "rule", "default", "enable", "boot", "forward" */
    const char *detail; /* "ufw allow 443/tcp comment 'derp-relay: TLS'" */
    const char *undo;   /* the command that takes it back; "" when there is none */
};

struct firewall_hooks {
    void (*progress)(void *arg, const char *text);                                /* may be NULL */
    bool (*journal)(void *arg, const struct firewall_change *c, struct fault *f); /* may be NULL;
                                                           false stops and restores */
    /* Each second while a new login is waited for, with the seconds left; may be NULL. */
    void (*waiting)(void *arg, unsigned left);
    void *arg;
};

enum firewall_outcome {
    FIREWALL_UNCHANGED,   /* the plan was empty and the proof holds */
    FIREWALL_CHANGED,     /* done and proven */
    FIREWALL_UNAVAILABLE, /* ufw could not be installed; nothing changed: exit 3 */
    FIREWALL_REFUSED,     /* not started, a finding says why; nothing changed, except that ufw
                             or parts of it may have been installed: exit 5 */
    FIREWALL_RESTORED,    /* failed or not proven; the former rules are back: exit 5 */
    FIREWALL_INTERRUPTED, /* *stop was set; the former rules are back: exit 130 */
    FIREWALL_BROKEN,      /* failed, and so did restoring: exit 5, the finding says what to do */
};

/*
 * Carries the plan out: takes the lock state_dir/fw.lock, sets the timer, keeps a copy of /etc/ufw
 * and /etc/default/ufw in state_dir/fw, marks the change pending (state_dir/fw-pending), adds rules
 * while ufw is inactive (SSH first), sets the policies that differ, enables, reads everything
 * back and proves it; waits for a new login where options.confirm wants one; then removes the
 * marker. An active ufw is never reloaded.
 * On failure or stop the copy and the former state are restored.
 */
enum firewall_outcome firewall_apply(const struct firewall_options *o,
                                     const struct firewall_plan *plan,
                                     const struct firewall_hooks *hooks, struct findings *all);

/*
 * Pure: does this state do what is wanted? Active, started at boot, deny incoming and allow
 * outgoing, and a new packet to each wanted port reaches ACCEPT first, in both families.
 * One firewall.ok, or a finding for each thing that is not so.
 */
bool firewall_verify(const struct firewall_options *o, const struct firewall_state *state,
                     struct findings *all);

/* True when an earlier run was cut off in the middle of a change. */
bool firewall_pending(const struct firewall_options *o);

/*
 * Settles a pending change: kept when firewall_verify holds for the state as it is and, where a
 * new login was wanted, there is one by now; otherwise the former rules are restored.
 * FIREWALL_UNCHANGED when nothing was pending, FIREWALL_CHANGED when kept, FIREWALL_RESTORED,
 * FIREWALL_BROKEN.
 */
enum firewall_outcome firewall_settle(const struct firewall_options *o, struct findings *all);

/*
 * Says from another login that a pending change is to be kept. FIREWALL_REFUSED when this program
 * was not started from a login by a new connection (firewall.login): nothing is changed then.
 * Otherwise as firewall_settle. *by_run: it was the run that has kept or undone its change, and it
 * goes on writing its journal.
 */
enum firewall_outcome firewall_confirm(const struct firewall_options *o, bool *by_run,
                                       struct findings *all);

/* Restores the former rules unconditionally, when a change is pending. Outcomes and *by_run as
 * above. */
enum firewall_outcome firewall_rollback(const struct firewall_options *o, bool *by_run,
                                        struct findings *all);

/* What has become of a change that was told to firewall_hooks.journal. */
enum firewall_since {
    FIREWALL_SINCE_SAME,   /* as it was made: to be undone */
    FIREWALL_SINCE_OTHERS, /* the owner has given the rule another comment, or set another policy:
                              his */
    FIREWALL_SINCE_GONE,   /* the rule, or ufw (or iptables) as a whole, was taken away: nothing to
                              undo */
    FIREWALL_SINCE_NEEDED, /* as it was made, but without it an SSH port would be closed: ufw is at
                              work, and no other rule lets everybody in there */
};

/* Looks, so that undoing takes away what is ours and nothing else, and locks nobody out. what,
 * detail: as they were told; other kinds of change are always as they were made. false with a
 * reason when ufw cannot be asked. */
bool firewall_since(const struct firewall_options *o, const char *what, const char *detail,
                    enum firewall_since *since, struct fault *f);

/*
 * For a change of kind "package": of the packages that undo, its command, would take away, those
 * that came along with ufw, are there still and are needed by nothing else: the same command for
 * these alone, "" when there are none; NULL with a reason when apt cannot say. free it.
 */
char *firewall_purge(const char *undo, const volatile int *stop, struct fault *f);

/*
 * To be called once everything was undone: ufw's files get their first bytes back where they have
 * the same rules and settings again, and what this library keeps in state_dir is removed.
 */
void firewall_forget(const struct firewall_options *o);

/*
 * Is this a server of Oracle's cloud? Its images have iptables rules of their own, on which the
 * disks of the server depend, and ufw is not to be switched on beside them.
 */
bool firewall_on_oracle(void);

/* A stable word for logs and JSON: "changed", "restored", … */
const char *firewall_outcome_name(enum firewall_outcome outcome);

#endif
