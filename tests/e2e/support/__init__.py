"""What end-to-end tests share: a testbed for each subject, on real engines and servers."""
