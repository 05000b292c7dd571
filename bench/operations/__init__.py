"""Operations after the deploy: rollback, restart, scale, logs, exec, disk use."""
