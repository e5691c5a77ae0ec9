//! The directory over its interfaces and files: one scenario a file.

mod territory;

mod a_recipient_is_resolved_with_reasons;
mod a_slow_caller_is_sent_away;
mod a_wrong_file_of_entries_changes_nothing;
mod an_owner_sees_what_the_world_shows_of_it;
mod attacks_on_a_shared_log_are_named_and_refused;
mod national_files_fill_the_directory;
mod the_directory_answers_over_https;
