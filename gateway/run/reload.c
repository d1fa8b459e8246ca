/*
 * Reload: parse, check, then apply only the difference. Anything wrong and the configuration in
 * force stays as it is.
 */
#include "profile/shipped.h"
#include "run/private.h"

#include <errno.h>

static void count_changes(const struct fg_config_diff *diff, unsigned n[4])
{
	for (size_t i = 0; i < diff->ndrivers; i++)
		n[diff->drivers[i].change]++;
	for (size_t i = 0; i < diff->nbridges; i++)
		n[diff->bridges[i].change]++;
}

static void apply_rest(struct fg_gateway *gateway, const struct fg_config_diff *diff)
{
	const struct fg_config *config = gateway->now->config;

	if (diff->limits) {
		fg_intake_set_limits(gateway->intake, config->limits.payload,
				     (uint32_t)config->limits.depth);
		fg_devices_set_limit(gateway->devices, (uint32_t)config->limits.devices);
	}
	if (diff->liveness)
		fg_liveness_set_conf(gateway->liveness, gateway->devices, &config->liveness);
	if (diff->clock) {
		gateway->clock.trusted = config->clock.trust == FG_TRUST_ALWAYS;
		(void)fg_clock_check(&gateway->clock);
	}
	if (diff->console)
		run_console_changed(gateway);
	else
		run_console_renewed(gateway);
	gateway->log->level = (enum fg_level)config->run.log_level;
	gateway->logger.level = run_level(gateway, "gateway");
}

/* Takes what was read. */
static int compile(struct fg_config *config, const struct fg_process_conf *process,
		   struct fg_faults *faults, struct run_config **ret_next)
{
	int r = process->count ? fg_config_share(config, process->index, process->count) : 0;

	if (r == 0)
		r = fg_config_secrets(config, true, faults);
	if (r == 0)
		r = run_config_new(config, faults, ret_next);
	if (r < 0)
		fg_config_free(config);
	return r;
}

int run_load(const struct fg_gateway *gateway, const char *path, struct fg_faults *faults,
	     struct run_config **ret_next)
{
	struct fg_config *config;
	int r = fg_config_load(path, fg_shipped_profiles(), faults, &config);

	return r < 0 ? r : compile(config, &gateway->now->config->process, faults, ret_next);
}

int run_load_text(struct fg_str text, struct fg_faults *faults, struct run_config **ret_next)
{
	struct fg_config *config;
	int r = fg_config_parse(text, fg_shipped_profiles(), faults, &config);

	return r < 0 ? r : compile(config, &(struct fg_process_conf){ 0 }, faults, ret_next);
}

static void report_changes(struct fg_gateway *gateway, const struct fg_config_diff *diff,
			   struct fg_buf *report)
{
	unsigned n[4] = { 0 };

	count_changes(diff, n);
	fg_log(&gateway->logger, FG_INFO, "reloaded",
	       "generation=%llu same=%u changed=%u added=%u removed=%u",
	       (unsigned long long)gateway->generation, n[FG_SAME], n[FG_CHANGED], n[FG_ADDED],
	       n[FG_REMOVED]);
	if (report)
		fg_buf_printf(report,
			      "generation %llu: %u as before, %u changed, %u added, "
			      "%u removed",
			      (unsigned long long)gateway->generation, n[FG_SAME], n[FG_CHANGED],
			      n[FG_ADDED], n[FG_REMOVED]);
}

int run_exchange(struct fg_gateway *gateway, struct run_config *next, struct fg_faults *faults,
		 struct fg_buf *report)
{
	struct fg_config_diff diff;
	int r = fg_config_diff(gateway->now->config, next->config, faults, &diff);

	if (r < 0)
		return r;
	fg_notify("RELOADING=1");
	if (diff.spool)
		fg_spool_set_conf(gateway->spool, &next->config->spool);
	gateway->generation++;
	r = run_apply(gateway, next, &diff);
	if (r < 0)	/* it is in force all the same, without what could not be made */
		fg_doubt(faults, "", "not all of it could be started: %s", strerror(-r));
	/* There may be room now where there was none. */
	fg_intake_room(gateway->intake);
	apply_rest(gateway, &diff);
	report_changes(gateway, &diff, report);
	fg_config_diff_fini(&diff);
	fg_notify("READY=1");
	(void)fg_timer_start(&gateway->status_timer, 0);
	return 0;
}

/* The file may say that what it holds is not proven yet. */
static void watch(struct fg_gateway *gateway, struct run_config *before)
{
	struct fg_trial trial;

	/* of several processes their parent is the judge */
	if (gateway->now->config->process.count)
		return;
	fg_trial_init(&trial);
	if (fg_put_on_trial(gateway->config_path, &trial) == 0 &&
	    strcmp(trial.sha256, gateway->now->config->sha256) == 0)
		run_trial_watch(gateway, &trial, before);
	fg_trial_fini(&trial);
}

static int refused(struct fg_gateway *gateway, const struct fg_faults *faults, int error)
{
	fg_log(&gateway->logger, FG_ERROR, "reload refused, the old configuration stays",
	       "faults=%zu", faults->faults);
	return error;
}

int fg_gateway_reload(struct fg_gateway *gateway, struct fg_faults *faults, struct fg_buf *report)
{
	struct run_config *next, *before = gateway->now;
	int r;

	if (gateway->trial.state != TRIAL_NONE) {
		fg_fault(faults, "", "a configuration is on trial");
		return -EBUSY;
	}
	if (gateway->changing > 0 || gateway->stopping) {
		fg_fault(faults, "", "the reload before this one is still being carried out");
		return -EBUSY;
	}
	r = run_load(gateway, gateway->config_path, faults, &next);
	if (r < 0)
		return refused(gateway, faults, r);
	before->uses++;	/* until it is known whether it may have to come back */
	r = run_exchange(gateway, next, faults, report);
	if (r == 0)
		watch(gateway, before);
	else
		run_config_unuse(next);
	run_config_unuse(before);
	return r < 0 ? refused(gateway, faults, r) : 0;
}
