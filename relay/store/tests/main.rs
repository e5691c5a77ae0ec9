//! What holds on either engine, and among processes: one scenario a file.

mod a_database_server_may_go_and_come_back;
mod a_group_is_committed_once_and_a_failed_piece_is_undone_alone;
mod several_processes_share_a_database;
