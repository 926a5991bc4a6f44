//! What becomes of a candidate: tests, judgements, the report, pictures of the person's own.

use super::*;

#[test]
fn a_test_streams_in_and_its_verdict_stays() {
    let mut state = listed(160, 45, Protocol::Kitty);
    press(&mut state, "j");
    let candidate = state.suspects.candidate().unwrap().clone();
    let effects = press(&mut state, "t");
    let Some(Task::Test(number, Examined::Candidate(asked))) = tasks(effects).pop() else {
        panic!("no test");
    };
    assert_eq!(*asked, candidate);
    assert!(text(&state).contains("testing"));
    let first = Finding::Estimate(estimate(Method::Paste, 8, false));
    answer(&mut state, Outcome::Finding(number, first));
    assert!(text(&state).contains("n 8…"), "{}", text(&state));
    // The person goes on meanwhile.
    press(&mut state, "jjk");
    assert_eq!(state.suspects.selected, 2);
    press(&mut state, "k");
    let claim = state.suspects.record().unwrap().claim.clone();
    answer(&mut state, Outcome::Tested(number, Ok(Box::new(claim))));
    assert!(state.suspects.running.is_none());
    test(&mut state);
    let shown = text(&state);
    assert!(shown.contains("used by the model"), "{shown}");
    assert!(
        shown.contains("direction removed") && shown.contains("flips"),
        "{shown}"
    );
    assert!(shown.contains("P 0.03 → 0.71"), "{shown}");
    let pictures = placements(&state);
    for picture in [shot(40).before.key, shot(40).after.key] {
        assert!(pictures.iter().any(|p| p.picture == picture));
        assert!(atlascope::explorer::pictures::picture(&state, picture).is_some());
    }
    assert_eq!(state.suspects.record().unwrap().claim.provenance.seed, 7);
    // News of a test that is over change nothing.
    let late = Finding::Estimate(estimate(Method::Paste, 4, false));
    answer(&mut state, Outcome::Finding(number, late));
    assert_eq!(state.suspects.record().unwrap().claim.estimates[0].n, 32);
}

#[test]
fn a_stopped_test_and_a_failed_one_lose_nothing() {
    let mut state = listed(160, 45, HALF);
    let begun = number(press(&mut state, "t"));
    let first = Finding::Estimate(estimate(Method::Paste, 8, false));
    answer(&mut state, Outcome::Finding(begun, first));
    assert_eq!(tasks(press(&mut state, "<Esc>")), [Task::Stop]);
    assert!(state.suspects.open);
    // Left now, the session has what was found.
    let kept = Session::of(&state);
    assert_eq!(kept.claims.len(), 1);
    assert_eq!(kept.claims[0].estimates[0].n, 8);
    let claim = state.suspects.record().unwrap().claim.clone();
    answer(&mut state, Outcome::Tested(begun, Ok(Box::new(claim))));
    assert!(state.notice.as_ref().unwrap().contains("stopped"));
    assert!(text(&state).contains("interrupted"));
    // A later test that cannot be made leaves it as it is.
    let begun = number(press(&mut state, "t"));
    let why = "the photographs are not in /old/folder".to_owned();
    answer(&mut state, Outcome::Tested(begun, Err(why.clone())));
    assert_eq!(state.notice.as_deref(), Some(why.as_str()));
    assert!(text(&state).contains("/old/folder"));
    assert_eq!(state.suspects.record().unwrap().claim.estimates[0].n, 8);
}

#[test]
fn what_the_person_says_is_kept_with_the_results() {
    let mut state = listed(160, 45, HALF);
    test(&mut state);
    press(&mut state, "xnletters at the lower right<Enter>");
    press(&mut state, "jc");
    assert!(text(&state).contains("shortcut") && text(&state).contains("core"));
    let kept = Session::from_json(&Session::of(&state).to_json()).unwrap();
    assert_eq!(kept.claims.len(), 2);
    assert_eq!(kept.claims[0].judgement, Judgement::Shortcut);
    assert_eq!(kept.claims[0].note, "letters at the lower right");
    assert_eq!(kept.claims[1].judgement, Judgement::Core);
    let mut again = opened(160, 45, HALF);
    kept.restore(&mut again);
    let effects = press(&mut again, "s");
    serve(&mut again, effects);
    press(&mut again, "g");
    let record = again.suspects.record().unwrap();
    assert_eq!(record.claim, kept.claims[0]);
    assert!(text(&again).contains("letters at the lower right"));
    assert_eq!(Session::of(&again).claims, kept.claims);
    // What the atlas no longer has stays in the session.
    let mut lost = kept.clone();
    lost.claims[0].subject.cell = Some("gone,10,1,1".to_owned());
    lost.restore(&mut again);
    assert_eq!(Session::of(&again).claims, lost.claims);
}

#[test]
fn a_report_takes_what_was_tested_or_judged() {
    let mut state = listed(160, 45, HALF);
    assert!(tasks(press(&mut state, "r")).is_empty());
    assert!(
        state
            .notice
            .as_ref()
            .unwrap()
            .contains("nothing was tested")
    );
    press(&mut state, "x");
    let asked = tasks(press(&mut state, "r"));
    let [Task::Report(_, claims)] = &asked[..] else {
        panic!("{asked:?}");
    };
    assert_eq!(claims.len(), 1);
    let subject = &claims[0].subject;
    let candidate = state.suspects.candidate().unwrap();
    assert_eq!(subject.class_name, labelled().class_name(candidate.class));
    assert_eq!(subject.exemplars.len(), candidate.exemplars.len());
    for shown in &subject.exemplars {
        let [x, y, side] = shown.window;
        let size = claims[0].provenance.size;
        assert!(x + side <= size && y + side <= size);
    }
    answer(&mut state, Outcome::Reported(Ok("wrote x.html".to_owned())));
    assert_eq!(state.notice.as_deref(), Some("wrote x.html"));
}

#[test]
fn a_picture_of_the_persons_own_is_a_row() {
    let mut state = listed(160, 45, HALF);
    let class = state.suspects.candidate().unwrap().class;
    let asked = tasks(press(&mut state, "T/tmp/baseball.png<Enter>"));
    let [Task::Test(number, Examined::Picture { path, class: of })] = &asked[..] else {
        panic!("{asked:?}");
    };
    assert_eq!(
        (path.as_path(), *of),
        (Path::new("/tmp/baseball.png"), class)
    );
    let begun = *number;
    let found = Finding::Estimate(estimate(Method::Picture, 32, true));
    answer(&mut state, Outcome::Finding(begun, found));
    let claim = state.suspects.record().unwrap().claim.clone();
    answer(&mut state, Outcome::Tested(begun, Ok(Box::new(claim))));
    assert!(text(&state).contains("baseball.png"));
    // Once more it is the same row.
    let rows = state.suspects.rows.len();
    let again = number_of_picture(press(&mut state, "t"));
    assert!(again > begun);
    assert_eq!(state.suspects.rows.len(), rows);
    assert_eq!(Session::of(&state).claims.len(), 1);
}

fn number_of_picture(effects: Vec<Effect>) -> u64 {
    match tasks(effects).pop() {
        Some(Task::Test(number, Examined::Picture { .. })) => number,
        other => panic!("{other:?}"),
    }
}

/// Tells one estimate after the other until it is stopped.
struct Endless(Sender<u32>);

impl Examiner for Endless {
    fn atlas(&mut self, _: Arc<Atlas>) {}

    fn moved(&mut self, _: &Path) {}

    fn examine(&mut self, _: &Examined, tell: Tell<'_>) -> Result<Claim, String> {
        for n in 1.. {
            let estimate = estimate(Method::Paste, n, false);
            if tell(Finding::Estimate(estimate)) == ControlFlow::Break(()) {
                let _ = self.0.send(n);
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err("stopped".to_owned())
    }
}

#[test]
fn a_test_runs_beside_the_loop_and_stops_when_it_is_told() {
    let state = listed(80, 24, HALF);
    let what = Examined::Candidate(Box::new(state.suspects.candidate().unwrap().clone()));
    let (ended, after) = channel();
    let services = Services {
        examiner: Some(Box::new(Endless(ended))),
        ..Services::default()
    };
    let (mut desk, answers) = Desk::open(services).unwrap();
    desk.take(Work::Bench(Task::Test(3, what.clone())));
    let soon = Duration::from_secs(20);
    for _ in 0..5 {
        let answer = answers.recv_timeout(soon).unwrap();
        assert!(matches!(
            answer,
            Message::Answer(Answer::Bench(Outcome::Finding(3, _)))
        ));
    }
    // Another test ends the first.
    desk.take(Work::Bench(Task::Test(4, what.clone())));
    after.recv_timeout(soon).unwrap();
    // One that is stopped before it begins says nothing, so wait until it has.
    let begun = |answer: &Message| {
        matches!(
            answer,
            Message::Answer(Answer::Bench(Outcome::Finding(4, _)))
        )
    };
    while !begun(&answers.recv_timeout(soon).unwrap()) {}
    desk.take(Work::Bench(Task::Stop));
    after.recv_timeout(soon).unwrap();
    // Without an examiner it is said that networks are missing.
    let (mut desk, answers) = Desk::open(Services::default()).unwrap();
    desk.take(Work::Bench(Task::Test(1, what)));
    match answers.recv_timeout(soon).unwrap() {
        Message::Answer(Answer::Bench(Outcome::Tested(1, Err(why)))) => {
            assert!(why.contains("without networks"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}
