-- What is deleted from tables with personal data leaves the disk within seconds: parts that a mutation replaced are
-- removed soon, and so that no power cut can take the new ones along, these are synced first.
ALTER TABLE people MODIFY SETTING
    old_parts_lifetime = 5, cleanup_delay_period = 2, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 5,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, fsync_part_directory = 1;

ALTER TABLE dead_letters MODIFY SETTING
    old_parts_lifetime = 5, cleanup_delay_period = 2, cleanup_delay_period_random_add = 1, max_cleanup_delay_period = 5,
    min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1, fsync_part_directory = 1;
