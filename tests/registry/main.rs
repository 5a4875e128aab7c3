//! The list of workspaces: durable records, leases, leftovers of crashes.
//!
//! Where R3 of the requirements (start-up recovery and the state store) is tested, here and in the
//! other kinds: *good* is the normal case, *bad* something missing or damaged, *ugly* a crash in the
//! middle, a permission, an unknown version.
//!
//! | | good | bad | ugly |
//! |---|---|---|---|
//! | R3.1 the list comes from the store | `a_record_is_read_back_as_it_was_written` | `a_damaged_record_is_told_and_hides_no_other_one`, `a_workspace_whose_record_is_missing_is_told` | `the_next_open_sweeps_what_a_crash_left_half_made_or_half_removed` |
//! | R3.2 a dead daemon is told from a live one | lease: `the_second_one_is_refused_and_told_who_holds_it` | lease: `a_recycled_process_number_is_not_believed` | crash: `a_living_stranger_with_the_number_of_the_daemon_…`, e2e dead |
//! | R3.3 backoff survives | sync: `failures_and_their_waiting_time_survive_a_restart` | sync: `a_damaged_ledger_loses_no_record_and_a_newer_format_is_not_touched` | sync: `a_wall_clock_that_jumps_holds_up_no_push` |
//! | R3.4 the queue | sync: `a_drain_costs_two_file_and_two_directory_fsyncs_…` | sync: `a_commit_that_was_never_enqueued_is_found_at_the_start_and_only_then` | sync: `kill_9_between_any_two_steps_…`, `power_failure_between_any_two_steps_…` |
//! | R3.5 torn tails go, work stays | overlay: `a_tail_cut_at_any_byte_loses_only_the_last_record` | overlay: `damage_ends_the_log_and_what_stood_behind_it_is_kept_aside` | crash: `kills_in_the_course_of_every_command_…`, overlay: `a_newer_format_is_refused` |
//! | R3.6 without a store it goes on or says why | `a_state_directory_that_is_not_there_is_made_and_holds_nothing` | `what_is_not_there_is_told_by_name` | `a_directory_that_others_may_write_to_is_refused`, `a_state_directory_that_is_a_file_is_told` |

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic")]

mod lease;
mod records;
mod support;
