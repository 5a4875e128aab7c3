use std::time::Duration;
use toft::daemon::policy::{Activity, Scheduler};
use toft::registry::FlushPolicy;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn activity(changes: u64, closes: u64) -> Activity {
    Activity { changes, closes }
}

fn fresh(policy: FlushPolicy) -> Scheduler {
    Scheduler::new(policy, Activity::default(), false, at(0))
}

#[test]
fn umount_and_manual_never_flush_by_themselves() {
    for policy in [FlushPolicy::Umount, FlushPolicy::Manual] {
        let mut scheduler = fresh(policy);
        assert!(!scheduler.is_active());
        assert!(!scheduler.step(activity(9, 9), at(1_000_000)));
    }
}

#[test]
fn idle_waits_until_nothing_changed_for_so_long() {
    let mut scheduler = fresh(FlushPolicy::Idle(10));
    assert!(!scheduler.step(activity(1, 0), at(5)));
    assert!(!scheduler.step(activity(2, 0), at(14)));
    assert_eq!(scheduler.due(), Some(at(24)));
    assert!(!scheduler.step(activity(2, 0), at(23)));
    assert!(scheduler.step(activity(2, 0), at(24)));
    scheduler.flushed(activity(2, 0), true, at(25));
    assert_eq!(scheduler.due(), None);
}

#[test]
fn interval_counts_from_the_last_flush_and_only_when_something_changed() {
    let mut scheduler = fresh(FlushPolicy::Interval(60));
    assert!(!scheduler.step(Activity::default(), at(600)));
    assert!(scheduler.step(activity(1, 0), at(601)));
    scheduler.flushed(activity(1, 0), true, at(602));
    assert!(!scheduler.step(activity(2, 0), at(661)));
    assert!(scheduler.step(activity(2, 0), at(662)));
}

#[test]
fn close_waits_for_a_close_and_lets_a_burst_settle() {
    let mut scheduler = fresh(FlushPolicy::Close);
    assert!(!scheduler.step(activity(5, 0), at(10)));
    assert!(!scheduler.step(activity(6, 1), at(20)));
    assert!(!scheduler.step(activity(7, 2), at(20) + Duration::from_millis(400)));
    assert!(scheduler.step(activity(7, 2), at(20) + Duration::from_millis(900)));
}

#[test]
fn a_change_during_a_flush_is_flushed_by_the_next() {
    let mut scheduler = fresh(FlushPolicy::Idle(1));
    assert!(!scheduler.step(activity(1, 0), at(1)));
    assert!(scheduler.step(activity(1, 0), at(2)));
    assert!(scheduler.step(activity(2, 0), at(3)) || scheduler.due() == Some(at(4)));
    scheduler.flushed(activity(1, 0), true, at(3));
    assert_eq!(scheduler.due(), Some(at(4)));
}

#[test]
fn a_refused_flush_is_not_asked_for_again_at_once() {
    let mut scheduler = fresh(FlushPolicy::Idle(1));
    assert!(!scheduler.step(activity(1, 0), at(1)));
    assert!(scheduler.step(activity(1, 0), at(2)));
    scheduler.flushed(activity(1, 0), false, at(2));
    assert!(!scheduler.step(activity(1, 0), at(30)));
    assert!(scheduler.step(activity(1, 0), at(62)));
}

#[test]
fn what_a_crash_left_unflushed_is_flushed_by_policy() {
    let scheduler = Scheduler::new(FlushPolicy::Idle(5), activity(7, 1), true, at(100));
    assert_eq!(scheduler.due(), Some(at(105)));
}
