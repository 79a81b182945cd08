# SPDX-License-Identifier: Apache-2.0
"""OpenSSL as a TLS client, with what the TLS of Python and Go keeps to itself: KeyUpdate, close_notify
alone, and which of the two ends the other side has sent. No certificate is verified."""
import ctypes
import ctypes.util
import socket
import struct

TLS12, TLS13 = 0x0303, 0x0304
ZERO_RETURN, WANT_READ, SYSCALL = 6, 2, 5
HANDSHAKE, KEY_UPDATE = 22, 24
CTRL_MIN, CTRL_MAX, CTRL_NAME = 123, 124, 55

_lib = ctypes.CDLL(ctypes.util.find_library("ssl"))
_p, _n = ctypes.c_void_p, ctypes.c_size_t
_message = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_ubyte),
                            _n, _p, _p)
for _name, _result, *_arguments in (
        ("TLS_client_method", _p), ("SSL_CTX_new", _p, _p), ("SSL_CTX_free", None, _p), ("SSL_new", _p, _p),
        ("SSL_free", None, _p), ("SSL_ctrl", ctypes.c_long, _p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p),
        ("SSL_set_fd", ctypes.c_int, _p, ctypes.c_int), ("SSL_connect", ctypes.c_int, _p),
        ("SSL_read", ctypes.c_int, _p, ctypes.c_char_p, ctypes.c_int),
        ("SSL_write", ctypes.c_int, _p, ctypes.c_char_p, ctypes.c_int),
        ("SSL_get_error", ctypes.c_int, _p, ctypes.c_int), ("SSL_shutdown", ctypes.c_int, _p),
        ("SSL_key_update", ctypes.c_int, _p, ctypes.c_int), ("SSL_do_handshake", ctypes.c_int, _p),
        ("SSL_version", ctypes.c_int, _p), ("SSL_set_msg_callback", None, _p, _message)):
    getattr(_lib, _name).restype, getattr(_lib, _name).argtypes = _result, _arguments


class Socket:
    """A connected TLS client over raw. recv returns b"" when the other side has ended; `ended` then
    says how: "close_notify", "end of stream" or "reset"."""

    def __init__(self, raw, host, only=None, patience=10):
        raw.settimeout(None)  # OpenSSL wants a descriptor that blocks; the kernel keeps the time
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", patience, 0))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", patience, 0))
        self.raw, self.ended, self.key_updates = raw, None, 0
        context = _lib.SSL_CTX_new(_lib.TLS_client_method())
        self.ssl = _lib.SSL_new(context)
        _lib.SSL_CTX_free(context)
        if only is not None:
            _lib.SSL_ctrl(self.ssl, CTRL_MIN, only, None)
            _lib.SSL_ctrl(self.ssl, CTRL_MAX, only, None)
        _lib.SSL_ctrl(self.ssl, CTRL_NAME, 0, host.encode())
        self._callback = _message(self._on_message)
        _lib.SSL_set_msg_callback(self.ssl, self._callback)
        _lib.SSL_set_fd(self.ssl, raw.fileno())
        self._must(_lib.SSL_connect(self.ssl))
        self.version = _lib.SSL_version(self.ssl)

    def _on_message(self, sent, _version, kind, data, n, _ssl, _arg):
        if not sent and kind == HANDSHAKE and n > 0 and data[0] == KEY_UPDATE:
            self.key_updates += 1

    def _must(self, result):
        if result <= 0:
            raise ConnectionError("TLS error %d" % _lib.SSL_get_error(self.ssl, result))

    def sendall(self, data):
        if data:
            self._must(_lib.SSL_write(self.ssl, data, len(data)))

    def recv(self, n):
        buffer = ctypes.create_string_buffer(n)
        result = _lib.SSL_read(self.ssl, buffer, n)
        if result > 0:
            return buffer.raw[:result]
        error = _lib.SSL_get_error(self.ssl, result)
        if error == WANT_READ:
            raise socket.timeout("nothing came")
        self.ended = ("close_notify" if error == ZERO_RETURN else
                      "reset" if error == SYSCALL else "end of stream")
        return b""

    def key_update(self, requested=False):
        """Sends KeyUpdate; requested: the other side has to send one, too."""
        self._must(_lib.SSL_key_update(self.ssl, 1 if requested else 0))
        self._must(_lib.SSL_do_handshake(self.ssl))

    def close_notify(self):
        _lib.SSL_shutdown(self.ssl)

    def close(self):
        if self.ssl is not None:
            _lib.SSL_free(self.ssl)
            self.ssl = None
        self.raw.close()
