//! Hostile input, end to end: each line of the threat list of shared/reference/reliability.md, and
//! the tests that hold it, here and elsewhere. `the_table_names_tests_that_exist` keeps this true.
//!
//! T1 names that no file can have, `.git` and its disguises:
//! - a_seal_is_refused_while_a_changed_folder_holds_what_no_file_can_stand_for
//! - hostile_entries_stay_as_they_are_when_something_else_is_sealed
//! - hostile_entries_do_not_resolve_and_are_reported_and_not_sealed_away
//! - the_base_hides_every_hostile_entry_and_only_that
//! - names_that_git_refuses_are_left_out_and_said_so
//! - hidden_entries_refuse_a_change_in_their_directory
//!
//! T2 entries twice, unsorted, of no known mode; very many; very deep:
//! - hostile_entries_are_hidden_and_the_rest_is_sorted_by_bytes
//! - malformed_trees_are_corrupt_and_odd_ones_are_read
//! - a_folder_of_very_many_entries_is_served_in_bounded_memory
//! - a_tree_as_deep_as_git_allows_is_walked_sealed_and_pushed
//! - a_tree_deeper_than_git_allows_is_refused_and_takes_nothing_down
//! - very_deep_directories_need_no_deep_stack
//!
//! T3 links:
//! - links_are_served_as_they_are_and_never_followed_by_the_daemon
//! - a_symbolic_link_holds_no_rules
//! - a_gitmodules_that_is_a_link_is_refused
//!
//! T4 configuration, hooks, attributes, submodules:
//! - nothing_in_a_tree_makes_the_daemon_run_anything
//! - what_somebody_in_the_mount_plants_in_the_gitdir_is_not_run_by_the_daemon
//! - what_only_the_user_may_say_is_refused_by_its_name
//! - sources_that_are_none_are_refused_with_a_fix
//!
//! T5 packs and objects:
//! - a_remote_with_damaged_objects_mounts_nothing
//! - replacements_and_grafts_change_nothing_that_is_shown_or_sealed
//! - a_blob_that_explodes_takes_disk_and_no_memory
//! - whatever_byte_of_a_pack_is_damaged_what_is_read_is_right_or_an_error
//! - a_delta_that_says_it_is_huge_is_an_error_and_takes_no_memory
//! - replacement_objects_replace_nothing
//! - a_damaged_file_is_an_error_and_never_a_commit_that_deletes_it
//! - a_damaged_directory_is_an_error_and_everything_else_works
//!
//! T6 bundles and archives: toft reads none.
//!
//! T7 a remote that lies:
//! - a_remote_that_takes_a_push_and_forgets_it_gets_it_again
//! - what_a_remote_says_reaches_no_terminal_as_it_is
//! - a_remote_that_moves_backwards_loses_nothing_of_ours
//! - a_server_that_accepts_and_forgets_is_not_believed
//! - a_side_branch_that_the_server_forgets_is_not_believed
//! - history_that_was_rewritten_here_is_never_forced_on_the_remote
//! - a_push_that_breaks_off_anywhere_is_delivered_once
//! - an_umount_waits_no_longer_than_it_was_told
//! - a_redirect_to_another_host_gets_no_secret
//!
//! T8 secrets:
//! - a_canary_is_nowhere_but_in_the_git_that_needs_it
//! - a_secret_reaches_no_command_line_log_or_state_file
//! - a_secret_in_the_url_is_refused_and_not_repeated
//! - a_file_that_others_may_read_is_refused
//! - no_secret_is_in_the_arguments_of_any_process
//!
//! T9 other users, mount helper:
//! - a_swapped_folder_is_not_mounted_on
//! - a_link_in_place_of_the_folder_is_refused_and_one_above_it_is_resolved
//! - toft_inherits_no_descriptor_no_folder_and_no_variable_that_was_not_chosen
//! - setuid_becomes_that_user_before_toft_runs
//! - every_option_is_understood_ignored_or_refused_by_name
//! - wrong_command_lines_are_refused
//! - allow_root_lets_root_in_and_nobody_else
//! - a_user_mounts_nothing_where_he_may_not_write
//!
//! T10 the control socket:
//! - another_user_gets_no_answer_from_a_daemon
//! - broken_requests_are_answered_and_harm_nobody
//! - nobody_listening_is_told_from_somebody_silent
//!
//! T11 exhaustion:
//! - a_full_disk_is_told_to_writers_and_loses_nothing_that_was_acked
//! - two_thousand_files_are_open_at_once_though_the_shell_may_have_256
//! - an_inode_cannot_hold_attributes_without_end
//! - reading_a_pack_of_any_size_keeps_little_of_it_mapped
//!
//! T12 waiting for oneself:
//! - every_command_answers_from_inside_the_mount
//! - a_home_inside_the_mount_stops_no_flush
//! - a_mount_at_the_folder_where_one_stands_is_clear_of_itself
//! - folders_that_cannot_be_a_mount_point_are_refused
//! - a_mount_is_kept_clear_of_its_source_and_of_other_mounts
//!
//! T13 commits that nobody wanted:
//! - each_guard_keeps_the_work_until_it_is_overruled_or_the_reason_is_gone
//! - each_guard_refuses_names_its_flag_and_lets_pass_what_was_allowed
//! - a_guard_keeps_a_dead_mount_as_it_keeps_a_live_one
//! - an_unreadable_directory_is_not_deleted_by_removing_its_parent
//! - a_damaged_file_is_an_error_and_never_a_commit_that_deletes_it
#![allow(clippy::disallowed_methods, reason = "tests start children")]

#[path = "../support/mod.rs"]
mod support;
#[path = "../e2e/work.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod work;

mod canary;
mod config;
mod guards;
mod names;
mod objects;
mod others;
mod remote;
mod trees;
mod within;

use std::path::Path;

/// All of the sources below `dir`, one after the other.
fn sources(dir: &Path, into: &mut String) {
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            into.push_str(&std::fs::read_to_string(&path).expect("a source"));
        }
    }
}

#[test]
fn the_table_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    for dir in ["src", "tests", "mount-helper"] {
        sources(&root.join(dir), &mut code);
    }
    let (mut threats, mut missing) = (Vec::new(), Vec::new());
    for line in include_str!("main.rs").lines().map_while(|line| line.strip_prefix("//!")) {
        let line = line.trim();
        if let Some(test) = line.strip_prefix("- ") {
            if !code.contains(&format!("#[test]\nfn {test}()"))
                && !code.contains(&format!("#[test]\n    fn {test}()"))
                && !code.contains(&format!("#[test]\n        fn {test}("))
            {
                missing.push(test);
            }
        } else if let Some((number, _)) = line.strip_prefix('T').and_then(|at| at.split_once(' ')) {
            threats.extend(number.parse::<u32>());
        }
    }
    assert_eq!(threats, Vec::from_iter(1..=13));
    assert_eq!(missing, [""; 0]);
}
