//! Offsets committed in transactions.

use crate::check;
use expect_test::expect;

#[test]
fn a_pending_offset_waits_for_its_marker() {
    check(
        "
        a: commit g t1/0=5
        a: txn-commit g pid=1 t1/0=7 t1/1=8 meta=m
        a: fetch g
        a: fetch g stable=yes
        a: fetch g stable=yes t1/0 t1/1 t1/2
        a: end-txn commit pid=1
        a: fetch g stable=yes
        ",
        expect![[r#"
            a: commit g t1/0=5
                append offset g t1/0 v4 = 5 at 0
                a <- t1/0 NONE
            a: txn-commit g pid=1 t1/0=7 t1/1=8 meta=m
                in the transaction of producer 1, epoch 0:
                append offset g t1/0 v4 = 7 "m" at 0
                  with offset g t1/1 v4 = 8 "m" at 0
                a <- t1/0 NONE, t1/1 NONE
            a: fetch g
                a <- NONE t1/0=5
            a: fetch g stable=yes
                a <- NONE t1/0=-1(UNSTABLE_OFFSET_COMMIT)
            a: fetch g stable=yes t1/0 t1/1 t1/2
                a <- NONE t1/0=-1(UNSTABLE_OFFSET_COMMIT) t1/1=-1(UNSTABLE_OFFSET_COMMIT) t1/2=-1
            a: end-txn commit pid=1
                append COMMIT of producer 1, coordinator epoch 3
                a <- NONE
            a: fetch g stable=yes
                a <- NONE t1/0=7Some("m") t1/1=8Some("m")
        "#]],
    );
}

#[test]
fn an_aborted_offset_is_forgotten() {
    check(
        "
        a: txn-commit g pid=1 t1/0=7
        a: end-txn abort pid=1
        a: fetch g stable=yes
        show
        ",
        expect![[r#"
            a: txn-commit g pid=1 t1/0=7
                in the transaction of producer 1, epoch 0:
                append offset g t1/0 v4 = 7 at 0
                a <- t1/0 NONE
            a: end-txn abort pid=1
                append ABORT of producer 1, coordinator epoch 3
                a <- NONE
            a: fetch g stable=yes
                a <- NONE
            show
                g: Empty generation 0 leader none members [] pending 0
        "#]],
    );
}

#[test]
fn the_last_record_wins_and_not_the_last_marker() {
    check(
        "
        a: txn-commit g pid=1 t1/0=7
        a: commit g t1/0=5
        a: end-txn commit pid=1
        a: fetch g
        restart
        a: fetch g
        ",
        expect![[r#"
            a: txn-commit g pid=1 t1/0=7
                in the transaction of producer 1, epoch 0:
                append offset g t1/0 v4 = 7 at 0
                a <- t1/0 NONE
            a: commit g t1/0=5
                append offset g t1/0 v4 = 5 at 0
                a <- t1/0 NONE
            a: end-txn commit pid=1
                append COMMIT of producer 1, coordinator epoch 3
                a <- NONE
            a: fetch g
                a <- NONE t1/0=5
            restart
            a: fetch g
                a <- NONE t1/0=5
        "#]],
    );
}

#[test]
fn producers_do_not_get_in_each_others_way() {
    check(
        "
        a: txn-commit g pid=1 t1/0=7
        b: txn-commit g pid=2 t1/0=8
        a: end-txn abort pid=2
        a: fetch g stable=yes t1/0
        a: end-txn commit pid=1
        a: fetch g stable=yes t1/0
        ",
        expect![[r#"
            a: txn-commit g pid=1 t1/0=7
                in the transaction of producer 1, epoch 0:
                append offset g t1/0 v4 = 7 at 0
                a <- t1/0 NONE
            b: txn-commit g pid=2 t1/0=8
                in the transaction of producer 2, epoch 0:
                append offset g t1/0 v4 = 8 at 0
                b <- t1/0 NONE
            a: end-txn abort pid=2
                append ABORT of producer 2, coordinator epoch 3
                a <- NONE
            a: fetch g stable=yes t1/0
                a <- NONE t1/0=-1(UNSTABLE_OFFSET_COMMIT)
            a: end-txn commit pid=1
                append COMMIT of producer 1, coordinator epoch 3
                a <- NONE
            a: fetch g stable=yes t1/0
                a <- NONE t1/0=7
        "#]],
    );
}

#[test]
fn a_marker_without_offsets_is_written_all_the_same() {
    check(
        "
        a: end-txn commit pid=9
        ",
        expect![[r#"
            a: end-txn commit pid=9
                append COMMIT of producer 9, coordinator epoch 3
                a <- NONE
        "#]],
    );
}

#[test]
fn a_tombstone_takes_pending_offsets_along() {
    check(
        "
        a: txn-commit g pid=1 t1/0=7
        a: offset-delete g t1/0
        a: end-txn commit pid=1
        a: fetch g stable=yes t1/0
        restart
        a: fetch g stable=yes t1/0
        ",
        expect![[r#"
            a: txn-commit g pid=1 t1/0=7
                in the transaction of producer 1, epoch 0:
                append offset g t1/0 v4 = 7 at 0
                a <- t1/0 NONE
            a: offset-delete g t1/0
                append tombstone of offset g t1/0
                a <- NONE t1/0 NONE
            a: end-txn commit pid=1
                append COMMIT of producer 1, coordinator epoch 3
                a <- NONE
            a: fetch g stable=yes t1/0
                a <- NONE t1/0=-1
            restart
            a: fetch g stable=yes t1/0
                a <- NONE t1/0=-1
        "#]],
    );
}

#[test]
fn pending_offsets_survive_a_restart() {
    check(
        "
        a: txn-commit g pid=1 t1/0=7
        restart
        a: fetch g stable=yes t1/0
        a: end-txn commit pid=1
        a: fetch g
        ",
        expect![[r#"
            a: txn-commit g pid=1 t1/0=7
                in the transaction of producer 1, epoch 0:
                append offset g t1/0 v4 = 7 at 0
                a <- t1/0 NONE
            restart
            a: fetch g stable=yes t1/0
                a <- NONE t1/0=-1(UNSTABLE_OFFSET_COMMIT)
            a: end-txn commit pid=1
                append COMMIT of producer 1, coordinator epoch 3
                a <- NONE
            a: fetch g
                a <- NONE t1/0=7
        "#]],
    );
}

#[test]
fn members_are_checked_when_they_say_who_they_are() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        a: txn-commit g pid=1 t1/0=7
        a: txn-commit g pid=1 member=a#1 gen=1 t1/0=7
        a: txn-commit g pid=1 member=a#1 gen=2 t1/0=7
        a: txn-commit g pid=1 member=zzz gen=1 t1/0=7
        a: txn-commit g pid=1 member=a#1 gen=1 instance=i t1/0=7
        a: txn-commit nothing pid=1 member=a#1 gen=1 t1/0=7
        a: txn-commit  pid=1 t1/0=7
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=3
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=a#1 gen=1 assign=a#1:x
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            a: txn-commit g pid=1 t1/0=7
                in the transaction of producer 1, epoch 0:
                append offset g t1/0 v4 = 7 at 0
                a <- t1/0 NONE
            a: txn-commit g pid=1 member=a#1 gen=1 t1/0=7
                in the transaction of producer 1, epoch 0:
                append offset g t1/0 v4 = 7 at 0
                a <- t1/0 NONE
            a: txn-commit g pid=1 member=a#1 gen=2 t1/0=7
                a <- t1/0 ILLEGAL_GENERATION
            a: txn-commit g pid=1 member=zzz gen=1 t1/0=7
                a <- t1/0 UNKNOWN_MEMBER_ID
            a: txn-commit g pid=1 member=a#1 gen=1 instance=i t1/0=7
                a <- t1/0 UNKNOWN_MEMBER_ID
            a: txn-commit nothing pid=1 member=a#1 gen=1 t1/0=7
                a <- t1/0 ILLEGAL_GENERATION
            a: txn-commit  pid=1 t1/0=7
                a <- t1/0 INVALID_GROUP_ID
        "#]],
    );
}

#[test]
fn a_transactional_commit_is_fine_before_the_assignment() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        a: txn-commit g pid=1 member=a#1 gen=2 t1/0=7
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=3
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=a#1 gen=1 assign=a#1:x
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            b: join g v=3
            a: join g member=a#1 v=3
                a <- joined generation 2 as a#1, leader a#1, protocol Some("range"), a#1 (t1), b#1 (t1)
                b <- joined generation 2 as b#1, leader a#1, protocol Some("range")
            a: txn-commit g pid=1 member=a#1 gen=2 t1/0=7
                in the transaction of producer 1, epoch 0:
                append offset g t1/0 v4 = 7 at 0
                a <- t1/0 NONE
        "#]],
    );
}

#[test]
fn metadata_of_a_transactional_commit_must_not_be_too_large() {
    check(
        "
        config metadata-max=4
        a: txn-commit g pid=1 t1/0=5 meta=12345
        show
        ",
        expect![[r#"
            config metadata-max=4
            a: txn-commit g pid=1 t1/0=5 meta=12345
                a <- t1/0 OFFSET_METADATA_TOO_LARGE
            show
        "#]],
    );
}

#[test]
fn an_append_that_fails_takes_the_pending_offset_back() {
    check(
        "
        fail INVALID_PRODUCER_EPOCH
        a: txn-commit g pid=1 t1/0=7
        show
        a: txn-commit g pid=1 epoch=1 t1/0=8
        fail NOT_LEADER_OR_FOLLOWER
        a: end-txn commit pid=1 epoch=1
        a: fetch g stable=yes t1/0
        ",
        expect![[r#"
            fail INVALID_PRODUCER_EPOCH
            a: txn-commit g pid=1 t1/0=7
                in the transaction of producer 1, epoch 0:
                append offset g t1/0 v4 = 7 at 0
                the append fails: INVALID_PRODUCER_EPOCH
                a <- t1/0 INVALID_PRODUCER_EPOCH
            show
            a: txn-commit g pid=1 epoch=1 t1/0=8
                in the transaction of producer 1, epoch 1:
                append offset g t1/0 v4 = 8 at 0
                a <- t1/0 NONE
            fail NOT_LEADER_OR_FOLLOWER
            a: end-txn commit pid=1 epoch=1
                append COMMIT of producer 1, coordinator epoch 3
                the append fails: NOT_LEADER_OR_FOLLOWER
                a <- NOT_LEADER_OR_FOLLOWER
            a: fetch g stable=yes t1/0
                a <- NONE t1/0=-1(UNSTABLE_OFFSET_COMMIT)
        "#]],
    );
}

#[test]
fn transactional_batches_stand_alone() {
    check(
        "
        hold-appends
        a: commit g t1/0=1
        b: commit g t1/1=2
        c: txn-commit g pid=1 t1/0=3
        d: txn-commit g pid=2 t1/0=4
        e: commit g t1/1=5
        f: end-txn commit pid=1
        release-appends
        ",
        expect![[r#"
            hold-appends
            a: commit g t1/0=1
            b: commit g t1/1=2
            c: txn-commit g pid=1 t1/0=3
            d: txn-commit g pid=2 t1/0=4
            e: commit g t1/1=5
            f: end-txn commit pid=1
            release-appends
                append offset g t1/0 v4 = 1 at 0
                append offset g t1/1 v4 = 2 at 0
                in the transaction of producer 1, epoch 0:
                append offset g t1/0 v4 = 3 at 0
                in the transaction of producer 2, epoch 0:
                append offset g t1/0 v4 = 4 at 0
                append offset g t1/1 v4 = 5 at 0
                append COMMIT of producer 1, coordinator epoch 3
                a <- t1/0 NONE
                b <- t1/1 NONE
                c <- t1/0 NONE
                d <- t1/0 NONE
                e <- t1/1 NONE
                f <- NONE
        "#]],
    );
}
