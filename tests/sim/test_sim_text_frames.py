from sim.wire.lines import LineReceiver, Reply
from sim.wire.telegrams import Telegram, TelegramReceiver, parse


def echo(line: str, reply: Reply) -> None:
    reply(f"<{line}>")


def heard_lines(*pieces: bytes) -> list[bytes]:
    sent: list[bytes] = []
    receiver = LineReceiver(sent.append, echo, b"\r\n")
    for piece in pieces:
        receiver.receive(piece)
    return sent


def test_lines_end_with_or_without_a_carriage_return() -> None:
    assert heard_lines(b"SI\r\nS\n") == [b"<SI>\r\n", b"<S>\r\n"]


def test_a_line_in_pieces_is_one_line() -> None:
    assert heard_lines(b"QRD 2", b" 3 7\r", b"\n") == [b"<QRD 2 3 7>\r\n"]


def test_endless_noise_is_dropped() -> None:
    assert heard_lines(b"x" * 5000, b"SI\r\n") == [b"<SI>\r\n"]


def test_bytes_that_are_no_text_do_not_stop_the_line() -> None:
    assert len(heard_lines(b"\xff\xfe\n", b"SI\n")) == 2


def test_a_telegram_is_taken_apart_and_put_together() -> None:
    text = "@SAMPLE@ADD@APPLICATION=10-80deg-8min@SAMPLE_ID=S1@AT=0,3@END"
    telegram = parse(text)
    assert telegram.words == ("SAMPLE", "ADD")
    assert telegram.values == {"APPLICATION": "10-80deg-8min", "SAMPLE_ID": "S1", "AT": "0,3"}
    assert str(telegram) == text


def test_telegrams_are_cut_at_their_end() -> None:
    sent: list[bytes] = []
    receiver = TelegramReceiver(sent.append, lambda telegram: Telegram(telegram.words, {"OK": "yes"}))
    receiver.receive(b"@STATUS_REQUEST@SYS")
    receiver.receive(b"TEM@END@A@END")
    assert sent == [b"@STATUS_REQUEST@SYSTEM@OK=yes@END", b"@A@OK=yes@END"]
