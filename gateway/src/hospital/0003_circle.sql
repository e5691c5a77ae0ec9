-- Who looks after whom, sealed; found by keyed digests of the patient and of the member.
CREATE TABLE care_member (
    patient_key BLOB NOT NULL,
    member_key BLOB NOT NULL,
    changed_at BIGINT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (patient_key, member_key)
);
