//! Several requests in one batch.

use crate::check;
use expect_test::expect;

#[test]
fn what_comes_during_an_append_goes_into_the_next_batch() {
    check(
        "
        hold-appends
        a: commit g t1/0=1
        b: commit g t1/1=2
        c: commit h t1/0=3
        d: join g v=9
        e: fetch g stable=yes
        release-appends
        ",
        expect![[r#"
            hold-appends
            a: commit g t1/0=1
            b: commit g t1/1=2
            c: commit h t1/0=3
            d: join g v=9
            e: fetch g stable=yes
            release-appends
                append offset g t1/0 v4 = 1 at 0
                d <- MEMBER_ID_REQUIRED member d#1
                append offset g t1/1 v4 = 2 at 0
                  with offset h t1/0 v4 = 3 at 0
                a <- t1/0 NONE
                b <- t1/1 NONE
                c <- t1/0 NONE
                e <- NONE t1/0=1 t1/1=2
        "#]],
    );
}

#[test]
fn a_batch_that_fails_takes_all_of_it_back() {
    check(
        "
        a: commit g t1/0=1
        hold-appends
        b: commit g t1/0=2
        c: commit g t1/0=3
        d: commit h t1/0=4
        e: fetch g stable=yes
        fail NOT_ENOUGH_REPLICAS
        release-appends
        f: fetch g
        show
        ",
        expect![[r#"
            a: commit g t1/0=1
                append offset g t1/0 v4 = 1 at 0
                a <- t1/0 NONE
            hold-appends
            b: commit g t1/0=2
            c: commit g t1/0=3
            d: commit h t1/0=4
            e: fetch g stable=yes
            fail NOT_ENOUGH_REPLICAS
            release-appends
                append offset g t1/0 v4 = 2 at 0
                the append fails: NOT_ENOUGH_REPLICAS
                b <- t1/0 COORDINATOR_NOT_AVAILABLE
                append offset g t1/0 v4 = 3 at 0
                  with offset h t1/0 v4 = 4 at 0
                c <- t1/0 NONE
                d <- t1/0 NONE
                e <- NONE t1/0=3
            f: fetch g
                f <- NONE t1/0=3
            show
                g: Empty generation 0 leader none members [] pending 0
                h: Empty generation 0 leader none members [] pending 0
        "#]],
    );
}

#[test]
fn batches_have_a_limit() {
    check(
        "
        config append-max=150
        hold-appends
        a: commit g t1/0=1
        b: commit g t1/1=2
        c: commit g t1/2=3
        d: commit g t1/3=4
        e: commit g t1/4=4
        release-appends
        ",
        expect![[r#"
            config append-max=150
            hold-appends
            a: commit g t1/0=1
            b: commit g t1/1=2
            c: commit g t1/2=3
            d: commit g t1/3=4
            e: commit g t1/4=4
            release-appends
                append offset g t1/0 v4 = 1 at 0
                append offset g t1/1 v4 = 2 at 0
                  with offset g t1/2 v4 = 3 at 0
                  with offset g t1/3 v4 = 4 at 0
                append offset g t1/4 v4 = 4 at 0
                a <- t1/0 NONE
                b <- t1/1 NONE
                c <- t1/2 NONE
                d <- t1/3 NONE
                e <- t1/4 NONE
        "#]],
    );
}
