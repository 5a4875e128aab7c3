use toft::daemon::lifecycle::{Action, Event, Lifecycle, Why};

fn run(events: &[Event]) -> (Lifecycle, Vec<Action>) {
    let mut state = Lifecycle::Serving;
    let actions = events.iter().map(|event| state.step(*event)).collect();
    (state, actions)
}

#[test]
fn an_asked_umount_flushes_leaves_and_finishes() {
    let (state, actions) = run(&[
        Event::End(Why::Asked),
        Event::Flushed { safe: true },
        Event::Unmounted,
        Event::Finished,
    ]);
    assert_eq!(actions, [Action::Flush, Action::Unmount, Action::Finish, Action::Exit]);
    assert_eq!(state, Lifecycle::Done);
}

#[test]
fn a_guard_keeps_an_asked_umount_mounted() {
    let (state, actions) = run(&[Event::End(Why::Asked), Event::Flushed { safe: false }]);
    assert_eq!(actions, [Action::Flush, Action::Stay]);
    assert_eq!(state, Lifecycle::Serving);
}

#[test]
fn a_guard_does_not_keep_a_signal() {
    let (_, actions) = run(&[Event::End(Why::Signal), Event::Flushed { safe: false }]);
    assert_eq!(actions, [Action::Flush, Action::Unmount]);
}

#[test]
fn a_busy_mount_stays_when_asked_and_is_detached_by_a_signal() {
    let flushed = Event::Flushed { safe: true };
    let (state, actions) = run(&[Event::End(Why::Asked), flushed, Event::Busy]);
    assert_eq!((state, actions.last()), (Lifecycle::Serving, Some(&Action::Stay)));
    let (_, actions) = run(&[Event::End(Why::Signal), flushed, Event::Busy]);
    assert_eq!(actions.last(), Some(&Action::Detach));
}

#[test]
fn a_signal_while_an_umount_flushes_makes_it_certain() {
    let (state, actions) =
        run(&[Event::End(Why::Asked), Event::End(Why::Signal), Event::Flushed { safe: false }]);
    assert_eq!(actions, [Action::Flush, Action::Wait, Action::Unmount]);
    assert_eq!(state, Lifecycle::Leaving(Why::Signal));
}

#[test]
fn a_plain_umount_is_followed_by_the_last_seal_in_every_state() {
    let before = [
        vec![],
        vec![Event::End(Why::Asked)],
        vec![Event::End(Why::Signal), Event::Flushed { safe: true }],
    ];
    for mut events in before {
        events.push(Event::End(Why::Gone));
        let (state, actions) = run(&events);
        assert_eq!((state, actions.last()), (Lifecycle::Finishing, Some(&Action::Finish)));
    }
}

#[test]
fn nothing_moves_a_mount_that_is_finishing_but_the_end_of_it() {
    let mut state = Lifecycle::Finishing;
    for event in [Event::End(Why::Asked), Event::Busy, Event::Unmounted, Event::End(Why::Gone)] {
        assert_eq!((state.step(event), state), (Action::Wait, Lifecycle::Finishing));
    }
    assert_eq!(state.step(Event::Finished), Action::Exit);
}
