CREATE TABLE `api_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`domain_id` text NOT NULL,
	`hash` text NOT NULL,
	`label` text NOT NULL,
	`scopes` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer,
	`last_used_at` integer,
	`revoked_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `api_keys_hash_unique` ON `api_keys` (`hash`);--> statement-breakpoint
CREATE INDEX `api_keys_by_domain` ON `api_keys` (`domain_id`);--> statement-breakpoint
CREATE INDEX `api_keys_revoked` ON `api_keys` (`revoked_at`) WHERE revoked_at IS NOT NULL;--> statement-breakpoint
CREATE TABLE `idempotency_keys` (
	`domain_id` text NOT NULL,
	`client` text NOT NULL,
	`key` text NOT NULL,
	`holder` text NOT NULL,
	`lease_expires_at` integer NOT NULL,
	`fingerprint` text,
	`outcome` text,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`domain_id`, `client`, `key`)
);
--> statement-breakpoint
CREATE INDEX `idempotency_keys_by_age` ON `idempotency_keys` (`created_at`);--> statement-breakpoint
CREATE TABLE `token_uses` (
	`domain_id` text NOT NULL,
	`token_id` text NOT NULL,
	`used` integer NOT NULL,
	`expires_at` integer NOT NULL,
	PRIMARY KEY(`domain_id`, `token_id`),
	CONSTRAINT "used_not_negative" CHECK(used >= 0)
);
--> statement-breakpoint
CREATE INDEX `token_uses_by_end` ON `token_uses` (`expires_at`);--> statement-breakpoint
CREATE TABLE `dead_letters` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`row_id` text NOT NULL,
	`domain_id` text NOT NULL,
	`generation` integer NOT NULL,
	`publish` integer NOT NULL,
	`reason` text NOT NULL,
	`created_at` integer NOT NULL,
	`retried_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `dead_letters_by_publish` ON `dead_letters` (`kind`,`row_id`,`generation`,`publish`);--> statement-breakpoint
CREATE TABLE `sweep_cursors` (
	`name` text PRIMARY KEY NOT NULL,
	`cursor` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `domain_accounts` (
	`domain_id` text PRIMARY KEY NOT NULL,
	`suspended_at` integer,
	`deleted_at` integer,
	`purge_started_at` integer,
	`stored_files` integer DEFAULT 0 NOT NULL,
	`stored_bytes` integer DEFAULT 0 NOT NULL,
	`usage_month` text DEFAULT '' NOT NULL,
	`month_uploads` integer DEFAULT 0 NOT NULL,
	`refusal` text,
	CONSTRAINT "domain_deleted" CHECK(refusal IS NOT 'domain_deleted'),
	CONSTRAINT "domain_suspended" CHECK(refusal IS NOT 'domain_suspended'),
	CONSTRAINT "key_revoked" CHECK(refusal IS NOT 'key_revoked'),
	CONSTRAINT "no_longer_open" CHECK(refusal IS NOT 'no_longer_open'),
	CONSTRAINT "token_used_up" CHECK(refusal IS NOT 'token_used_up'),
	CONSTRAINT "claim_lost" CHECK(refusal IS NOT 'claim_lost'),
	CONSTRAINT "idempotency_lost" CHECK(refusal IS NOT 'idempotency_lost'),
	CONSTRAINT "commit_too_late" CHECK(refusal IS NOT 'commit_too_late'),
	CONSTRAINT "quota_files" CHECK(refusal IS NOT 'quota_files'),
	CONSTRAINT "quota_bytes" CHECK(refusal IS NOT 'quota_bytes'),
	CONSTRAINT "stored_not_negative" CHECK(stored_files >= 0 AND stored_bytes >= 0)
);
--> statement-breakpoint
CREATE INDEX `domain_accounts_deleted` ON `domain_accounts` (`deleted_at`) WHERE deleted_at IS NOT NULL;--> statement-breakpoint
CREATE TABLE `domain_days` (
	`domain_id` text NOT NULL,
	`day` text NOT NULL,
	`uploads` integer NOT NULL,
	`bytes` integer NOT NULL,
	PRIMARY KEY(`domain_id`, `day`)
);
--> statement-breakpoint
CREATE INDEX `domain_days_by_day` ON `domain_days` (`day`);--> statement-breakpoint
CREATE TABLE `domain_policies` (
	`domain_id` text PRIMARY KEY NOT NULL,
	`policy` text NOT NULL,
	`administrator_policy` text NOT NULL,
	`manager_policy` text NOT NULL,
	`version` integer DEFAULT 1 NOT NULL,
	FOREIGN KEY (`domain_id`) REFERENCES `domain_accounts`(`domain_id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `domains` (
	`id` text PRIMARY KEY NOT NULL,
	`slug` text NOT NULL,
	`jurisdiction` text,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `domains_slug_unique` ON `domains` (`slug`);--> statement-breakpoint
CREATE TABLE `hostnames` (
	`hostname` text NOT NULL,
	`domain_id` text NOT NULL,
	`created_at` integer NOT NULL,
	`verified_at` integer,
	PRIMARY KEY(`hostname`, `domain_id`),
	FOREIGN KEY (`domain_id`) REFERENCES `domains`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `hostnames_verified` ON `hostnames` (`hostname`) WHERE verified_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `hostnames_by_domain` ON `hostnames` (`domain_id`);--> statement-breakpoint
CREATE TABLE `file_events` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`file_id` text NOT NULL,
	`domain_id` text NOT NULL,
	`number` integer NOT NULL,
	`kind` text NOT NULL,
	`generation` integer NOT NULL,
	`failure_code` text,
	`failure_detail` text,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `file_events_by_file` ON `file_events` (`file_id`,`number`);--> statement-breakpoint
CREATE INDEX `file_events_by_domain` ON `file_events` (`domain_id`,`seq`);--> statement-breakpoint
CREATE TABLE `file_variants` (
	`file_id` text NOT NULL,
	`name` text NOT NULL,
	`step` text NOT NULL,
	`object_key` text NOT NULL,
	`type` text NOT NULL,
	`size` integer NOT NULL,
	`sha256` text NOT NULL,
	`width` integer,
	`height` integer,
	PRIMARY KEY(`file_id`, `name`)
);
--> statement-breakpoint
CREATE TABLE `step_runs` (
	`file_id` text NOT NULL,
	`generation` integer NOT NULL,
	`step` text NOT NULL,
	`status` text NOT NULL,
	`attempt` integer NOT NULL,
	`progress` real,
	`state` text,
	`answer` text,
	`result` text,
	`duration_ms` integer DEFAULT 0 NOT NULL,
	`finished_at` integer,
	PRIMARY KEY(`file_id`, `generation`, `step`)
);
--> statement-breakpoint
CREATE TABLE `uploaded_files` (
	`id` text PRIMARY KEY NOT NULL,
	`domain_id` text NOT NULL,
	`object_key` text NOT NULL,
	`r2_upload_id` text,
	`expires_at` integer,
	`is_partial` integer DEFAULT false NOT NULL,
	`token_id` text,
	`filename` text NOT NULL,
	`declared_type` text,
	`type` text NOT NULL,
	`charset` text,
	`size` integer NOT NULL,
	`sha256` text NOT NULL,
	`status` text NOT NULL,
	`generation` integer DEFAULT 1 NOT NULL,
	`attempts` integer DEFAULT 0 NOT NULL,
	`lease_number` integer DEFAULT 0 NOT NULL,
	`lease_expires_at` integer,
	`publish_count` integer DEFAULT 0 NOT NULL,
	`next_publish_at` integer,
	`next_attempt_at` integer,
	`failure_code` text,
	`failure_detail` text,
	`metadata` text NOT NULL,
	`protocol` text NOT NULL,
	`callback_url` text,
	`traceparent` text,
	`tracestate` text,
	`last_event` integer NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`completed_at` integer,
	`postponed_at` integer,
	`removal_due_at` integer,
	FOREIGN KEY (`domain_id`) REFERENCES `domain_accounts`(`domain_id`) ON UPDATE no action ON DELETE no action,
	CONSTRAINT "status_known" CHECK(status IN ('uploading','pending','processing','complete','failed','quarantined','deleted'))
);
--> statement-breakpoint
CREATE INDEX `uploaded_files_by_domain` ON `uploaded_files` (`domain_id`,`id`);--> statement-breakpoint
CREATE INDEX `uploaded_files_to_publish` ON `uploaded_files` (`next_publish_at`) WHERE next_publish_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `uploaded_files_leased` ON `uploaded_files` (`lease_expires_at`) WHERE lease_expires_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `uploaded_files_uploading` ON `uploaded_files` (`created_at`) WHERE status = 'uploading';--> statement-breakpoint
CREATE INDEX `uploaded_files_running` ON `uploaded_files` (`domain_id`,`lease_expires_at`) WHERE status = 'processing';--> statement-breakpoint
CREATE INDEX `uploaded_files_postponed` ON `uploaded_files` (`domain_id`,`postponed_at`) WHERE postponed_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `uploaded_files_to_remove` ON `uploaded_files` (`removal_due_at`) WHERE removal_due_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `uploaded_files_tombstones` ON `uploaded_files` (`updated_at`) WHERE status = 'deleted' AND removal_due_at IS NULL;--> statement-breakpoint
CREATE TABLE `callback_secrets` (
	`domain_id` text PRIMARY KEY NOT NULL,
	`secret` text NOT NULL,
	`previous_secret` text,
	`previous_secret_until` integer,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `webhook_deliveries` (
	`id` text PRIMARY KEY NOT NULL,
	`domain_id` text NOT NULL,
	`endpoint_id` text,
	`callback_url` text,
	`event_type` text NOT NULL,
	`file_id` text,
	`number` integer,
	`file_generation` integer,
	`seq` integer NOT NULL,
	`data` text,
	`occurred_at` integer NOT NULL,
	`status` text NOT NULL,
	`round` integer NOT NULL,
	`attempts` integer NOT NULL,
	`publish_count` integer NOT NULL,
	`next_publish_at` integer,
	`next_attempt_at` integer,
	`lease_expires_at` integer,
	`postponed_at` integer,
	`last_attempt_at` integer,
	`response_status` integer,
	`response_body` text,
	`error` text,
	`duration_ms` integer,
	`created_at` integer NOT NULL,
	`finished_at` integer
);
--> statement-breakpoint
CREATE INDEX `webhook_deliveries_by_domain` ON `webhook_deliveries` (`domain_id`,`id`);--> statement-breakpoint
CREATE INDEX `webhook_deliveries_by_endpoint` ON `webhook_deliveries` (`endpoint_id`,`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `webhook_deliveries_by_file` ON `webhook_deliveries` (`file_id`,`number`,`endpoint_id`);--> statement-breakpoint
CREATE UNIQUE INDEX `webhook_deliveries_callback` ON `webhook_deliveries` (`file_id`,`number`) WHERE callback_url IS NOT NULL;--> statement-breakpoint
CREATE INDEX `webhook_deliveries_to_publish` ON `webhook_deliveries` (`next_publish_at`) WHERE next_publish_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `webhook_deliveries_running` ON `webhook_deliveries` (`domain_id`,`lease_expires_at`) WHERE lease_expires_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `webhook_deliveries_postponed` ON `webhook_deliveries` (`domain_id`,`postponed_at`) WHERE postponed_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `webhook_deliveries_finished` ON `webhook_deliveries` (`domain_id`,`finished_at`) WHERE finished_at IS NOT NULL;--> statement-breakpoint
CREATE TABLE `webhook_endpoints` (
	`id` text PRIMARY KEY NOT NULL,
	`domain_id` text NOT NULL,
	`url` text NOT NULL,
	`events` text NOT NULL,
	`description` text NOT NULL,
	`secret` text NOT NULL,
	`previous_secret` text,
	`previous_secret_until` integer,
	`since_seq` integer NOT NULL,
	`failing_since` integer,
	`disabled_at` integer,
	`disabled_reason` text,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `webhook_endpoints_by_domain` ON `webhook_endpoints` (`domain_id`);--> statement-breakpoint
CREATE TABLE `webhook_progress` (
	`domain_id` text PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL
);
