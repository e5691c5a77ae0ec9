use super::*;
use liaison_base::clock::{Clock as _, SystemClock};
use std::fs;
use std::path::Path;

fn bodies(folder: &Path) -> Bodies {
    Bodies::open("relay", folder.join("bodies")).unwrap()
}

fn patterned(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

fn file_of(folder: &Path, kept: &Kept) -> std::path::PathBuf {
    folder
        .join("bodies")
        .join(key_of(kept.file.as_ref().unwrap()))
}

async fn rows(names: &[&Kept]) -> Result<HashSet<String>, StoreError> {
    Ok(names.iter().filter_map(|kept| kept.file.clone()).collect())
}

#[tokio::test]
async fn small_and_large_bodies_read_back_as_kept() {
    let folder = tempfile::tempdir().unwrap();
    let bodies = bodies(folder.path());
    for size in [0, 1, INLINE, INLINE + 1, 2 * INLINE, 3 * INLINE + 7] {
        let body: Arc<[u8]> = patterned(size).into();
        let kept = bodies.keep(Arc::clone(&body)).await.unwrap();
        assert_eq!(kept.inline.is_some(), size <= INLINE);
        assert_eq!(bodies.read(kept).await.unwrap(), body);
    }
}

#[tokio::test]
async fn a_body_crosses_in_pieces_of_any_size() {
    let folder = tempfile::tempdir().unwrap();
    let bodies = bodies(folder.path());
    let body = patterned(5 * INLINE + 3);
    for piece in [1000, INLINE, INLINE + 1, 4 * INLINE] {
        let mut writer = bodies.writer();
        for octets in body.chunks(piece) {
            writer.write(octets).await.unwrap();
        }
        assert_eq!(writer.written(), body.len() as u64);
        let mut reader = bodies.reader(writer.finish().await.unwrap()).await.unwrap();
        assert_eq!(reader.length(), body.len() as u64);
        let mut read = Vec::new();
        while let Some(octets) = reader.next().await.unwrap() {
            assert!((1..=PIECE).contains(&octets.len()));
            read.extend_from_slice(&octets);
        }
        assert!(read == body, "in pieces of {piece}");
    }
}

#[tokio::test]
async fn a_large_body_is_read_from_anywhere_though_it_is_removed_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let bodies = bodies(folder.path());
    let body = patterned(3 * INLINE + 7);
    let kept = bodies.keep(body.clone().into()).await.unwrap();
    let name = kept.file.clone().unwrap();
    let spooled = bodies.spool(&name).await.unwrap();
    bodies.remove(&name).await.unwrap();
    assert_eq!(spooled.length(), body.len() as u64);
    let mut read = [0; 10];
    assert_eq!(spooled.read_at(INLINE as u64, &mut read).unwrap(), 10);
    assert_eq!(read, body[INLINE..INLINE + 10]);
    assert_eq!(spooled.read_at(spooled.length(), &mut read).unwrap(), 0);

    let kept = bodies.keep(body.clone().into()).await.unwrap();
    let path = file_of(folder.path(), &kept);
    let mut changed = fs::read(&path).unwrap();
    changed[9] ^= 1;
    fs::write(&path, &changed).unwrap();
    let damaged = bodies.spool(&kept.file.unwrap()).await;
    assert!(matches!(damaged, Err(StoreError::Damaged(_))));
}

#[tokio::test]
async fn a_body_in_no_folder_is_copied_to_where_it_is_read_from() {
    let mut spool = Objects::copying().unwrap();
    for piece in [b"one ".as_slice(), b"two"] {
        spool = spool.take(Bytes::from_static(piece)).await.unwrap();
    }
    let mut read = [0; 16];
    assert_eq!(spool.file.read_at(&mut read, 2).unwrap(), 5);
    assert_eq!(&read[..5], b"e two");
}

#[tokio::test]
async fn a_damaged_body_never_comes_out_whole_and_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let bodies = bodies(folder.path());
    let kept = bodies.keep(patterned(3 * INLINE).into()).await.unwrap();
    let path = file_of(folder.path(), &kept);
    let mut changed = fs::read(&path).unwrap();
    changed[9] ^= 1;
    fs::write(&path, &changed).unwrap();
    let mut reader = bodies.reader(kept.clone()).await.unwrap();
    let mut given = 0;
    let error = loop {
        match reader.next().await {
            Ok(piece) => given += piece.expect("an error before the end").len(),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    assert!(given < changed.len(), "the whole of it was given out");

    fs::write(&path, &changed[1..]).unwrap();
    let short = bodies.reader(kept.clone()).await;
    assert!(matches!(short, Err(StoreError::Damaged(_))));

    let name = kept.file.clone().unwrap();
    bodies.set_aside(&name).await.unwrap();
    assert!(matches!(
        bodies.reader(kept).await,
        Err(StoreError::Damaged(_))
    ));
    let now = SystemClock.now() + Duration::from_secs(5);
    assert_eq!(bodies.sweep(now, rows(&[])).await.unwrap(), 0);
    let aside = folder.path().join("bodies").join(format!("corrupt-{name}"));
    assert_eq!(fs::read(aside).unwrap(), changed[1..]);
}

#[tokio::test]
async fn orphans_are_swept_and_kept_bodies_stay() {
    let folder = tempfile::tempdir().unwrap();
    let bodies = bodies(folder.path());
    let kept = bodies.keep(patterned(INLINE + 1).into()).await.unwrap();
    bodies.keep(patterned(INLINE + 2).into()).await.unwrap();
    // What a killed process leaves of a body that it was writing.
    fs::write(folder.path().join("bodies/relay-77#1"), b"part").unwrap();
    // Another role's, and a stranger's.
    let gateway = Bodies::open("gateway", folder.path().join("bodies")).unwrap();
    let others = gateway.keep(patterned(INLINE + 3).into()).await.unwrap();
    fs::write(folder.path().join("bodies/README"), b"x").unwrap();

    let now = SystemClock.now() + Duration::from_secs(5);
    let early = bodies.sweep(now - GRACE, rows(&[&kept])).await.unwrap();
    assert_eq!(early, 0, "young bodies may yet get a row");
    assert_eq!(bodies.sweep(now, rows(&[&kept])).await.unwrap(), 2);
    assert!(bodies.read(kept).await.is_ok());
    assert!(gateway.read(others).await.is_ok());
    assert!(folder.path().join("bodies/README").exists());
}

#[tokio::test]
async fn a_body_given_up_half_way_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let bodies = bodies(folder.path());
    let mut writer = bodies.writer();
    writer.write(&patterned(3 * INLINE)).await.unwrap();
    drop(writer);
    // The file is removed by a task of its own.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while fs::read_dir(folder.path().join("bodies")).unwrap().count() > 0 {
        assert!(tokio::time::Instant::now() < deadline, "it stays");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_body_of_the_first_release_is_read_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let bodies = bodies(folder.path());
    let body = patterned(INLINE + 9);
    let mut name = format!("{}-", body.len());
    for octet in ring::digest::digest(&SHA256, &body).as_ref() {
        let _ = write!(name, "{octet:02x}");
    }
    fs::write(folder.path().join("bodies").join(&name), &body).unwrap();
    let kept = Kept {
        inline: None,
        file: Some(name.clone()),
    };
    assert!(*bodies.read(kept).await.unwrap() == body[..]);
    bodies.remove(&name).await.unwrap();
    assert!(!folder.path().join("bodies").join(name).exists());
}
