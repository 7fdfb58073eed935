import io
import threading
import zlib
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from zooassist_exporters.image_check import image_suffix
from zooassist_exporters.image_zip import ZipImages
from zooassist_exporters.images import FolderImages, SubjectMedia, Wanted, stage_images
from zooassist_exporters.problems import ProblemList
from zooassist_exporters.subjects_file import read_locations
from zooassist_exporters.training_set_writer import staging_folder
from zooassist_plugin.errors import BadInput


def picture(kind="PNG", size=(4, 3), mode="RGB"):
    data = io.BytesIO()
    Image.new(mode, size, 77).save(data, kind)
    return data.getvalue()


@contextmanager
def host(files):
    """Serve bytes by path from this machine; `host.asked` counts the requests per path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *arguments):
            pass

    asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [("PNG", ".png"), ("JPEG", ".jpg"), ("GIF", ".gif"), ("TIFF", ".tif"), ("WEBP", ".webp")],
)
def test_content_decides_the_suffix(kind, suffix):
    assert image_suffix(picture(kind)) == suffix


def fits_image(values):
    fits = pytest.importorskip("astropy.io.fits", reason="FITS needs astropy ([fits])")
    data = io.BytesIO()
    fits.PrimaryHDU(values).writeto(data)
    return data.getvalue()


def test_a_fits_image_is_one_when_a_model_can_see_it():
    assert image_suffix(fits_image(np.ones((4, 3), np.float32))) == ".fits"
    with pytest.raises(BadInput, match="got NaN or infinity in 100% of the pixels"):
        image_suffix(fits_image(np.full((4, 3), np.nan)))
    with pytest.raises(BadInput, match="expected a whole FITS image, got damaged data"):
        image_suffix(fits_image(np.ones((400, 300)))[:9000])


def huge_png():
    """The header of a 50,000 x 50,000 PNG; decoding it would take 7.5 GB."""
    whole = bytearray(picture())
    whole[16:24] = (50_000).to_bytes(4, "big") * 2
    whole[29:33] = zlib.crc32(whole[12:29]).to_bytes(4, "big")
    return bytes(whole)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected an image, got 0 bytes"),
        (b"<html>Not found</html>", "expected a JPEG, PNG, GIF, TIFF, WebP or FITS image, got 22"),
        (picture("JPEG", (64, 64))[:-200], "expected a whole jpg image, got damaged data"),
        (picture("PNG", (64, 64))[:60], "expected a whole png image, got damaged data"),
        (huge_png(), "expected at most 100 million pixels, got 50000 x 50000"),
    ],
)
def test_what_is_no_usable_image(data, message):
    with pytest.raises(BadInput, match=message):
        image_suffix(data)


def subject_export(tmp_path, rows):
    path = tmp_path / "subjects.csv"
    lines = ["subject_id,project_id,locations,metadata"]
    lines += [f'{subject},1,"{text}",{{}}' for subject, text in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_fetch_once_verify_and_go_on(tmp_path):
    files = {"/1": picture(), "/2": picture("JPEG"), "/4": b"<html>", "/second": picture("GIF")}
    with host(files) as (url, asked):
        export = subject_export(
            tmp_path,
            [
                (1, f'{{""1"": ""{url}/second"", ""0"": ""{url}/1""}}'),
                (1, f'{{""0"": ""{url}/of-another-set""}}'),
                (2, f'{{""0"": ""{url}/2""}}'),
                (3, f'{{""0"": ""{url}/3""}}'),
                (4, f'{{""0"": ""{url}/4""}}'),
                (5, "{}"),
                ("six", "{}"),
            ],
        )
        problems = ProblemList()
        locations, source = read_locations(export, problems)
        assert source.name == "subjects.csv"
        assert [problem.where for problem in problems] == ["subjects.csv, row 8"]
        problems = ProblemList()
        staging = staging_folder(tmp_path / "set")
        wanted = [Wanted(number, {}) for number in (1, 2, 3, 4, 5, 6)]
        with SubjectMedia(locations) as media:
            staged = stage_images(wanted, media, staging, problems)
        assert {key: path.name for key, path in staged.paths.items()} == {1: "1.png", 2: "2.jpg"}
        assert (staging / "images" / "1.png").read_bytes() == files["/1"]
        said = {problem.where: problem.detail for problem in problems}
        assert sorted(said) == ["subject 3", "subject 4", "subject 5", "subject 6"]
        assert "status 404" in said["subject 3"]
        assert "expected a JPEG, PNG" in said["subject 4"]
        assert said["subject 5"] == "the subject export has no location for it"
        first = len(asked)
        with SubjectMedia(locations) as media:
            again = stage_images(wanted[:2], media, staging, ProblemList())
        assert (again.paths, again.reused) == (staged.paths, 2)
        assert len(asked) == first, "what is there is not fetched again"
        assert sorted(path.name for path in (staging / "images").iterdir()) == ["1.png", "2.jpg"]


def test_unreachable_host_is_one_line_per_subject(tmp_path):
    with host({}) as (url, _):
        pass  # the port is closed again
    problems = ProblemList()
    with SubjectMedia({1: (f"{url}/1",)}) as media:
        staged = stage_images([Wanted(1, {})], media, staging_folder(tmp_path / "set"), problems)
    assert staged.paths == {}
    [problem] = problems
    assert "no answer" in problem.detail
    assert problem.remedy == "check that the address is reachable from this machine"


def test_local_files_by_id_hint_and_metadata(tmp_path):
    folder = tmp_path / "pictures"
    (folder / "deep").mkdir(parents=True)
    (folder / "7.png").write_bytes(picture())
    (folder / "deep" / "g8.jpeg").write_bytes(picture("JPEG"))
    (folder / "wrong.jpg").write_bytes(picture("PNG"))
    (folder / "8.txt").write_text("no image, and never taken for one")
    (folder / "10.png").write_bytes(b"")
    source = FolderImages(folder)
    wanted = [
        Wanted(7, {"name": "nothing of that name"}),
        Wanted(8, {"#file": "survey/g8.jpeg"}),
        Wanted(9, {}, ("images/wrong.jpg",)),
        Wanted(10, {}),
        Wanted(11, {}),
    ]
    problems = ProblemList()
    staged = stage_images(wanted, source, staging_folder(tmp_path / "set"), problems)
    names = {key: path.name for key, path in staged.paths.items()}
    assert names == {7: "7.png", 8: "8.jpg", 9: "9.png"}, "the suffix is that of the content"
    assert {problem.where: problem.detail.split(",")[0] for problem in problems} == {
        "subject 10": "expected an image",
        "subject 11": f"expected an image 11.* in {folder}",
    }
    with pytest.raises(BadInput, match="expected a folder of images, found none"):
        FolderImages(tmp_path / "nowhere")


def test_images_of_a_zip(tmp_path):
    path = tmp_path / "images.zip"
    with ZipFile(path, "w") as archive:
        archive.writestr("images/7.png", picture())
        archive.writestr("images/other.jpg", picture("JPEG"))
    problems = ProblemList()
    wanted = [Wanted(7, {}), Wanted(8, {}, ("cutouts/other.jpg",)), Wanted(9, {}, ("9.jpg",))]
    with ZipImages(path) as source:
        staged = stage_images(wanted, source, staging_folder(tmp_path / "set"), problems)
    assert {key: each.name for key, each in staged.paths.items()} == {7: "7.png", 8: "8.jpg"}
    [problem] = problems
    assert problem.detail == f"expected 9.jpg in {path}, found none"
    path.write_bytes(b"no archive")
    with pytest.raises(BadInput, match="expected a zip archive of images"):
        ZipImages(path)
