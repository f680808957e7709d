"""OTLP in protobuf, as other programs encode it."""

from base64 import b85decode

_ENCODED = (
    "3gH9_0215;3IhrOcoLog3J|NStE;Q4tE;Q4tE;Q4tE&<S5fKp)5fKp)DgkpjfU?A)ge&A2L4Zd37=<h37)mD"
    "!6=!8`Utwu3Z*XODVRUJ4ZZ2+NZDkS;3Jhs(c5iECUtwouZgff@3K?f*ZeL+(E_HKZXJsyFZg6#UUvzJ4Wo~"
    "m40~qKBN+1dvXJu|*VQDUPb75y?E^l>oaCLNFbZ={AZgUa>7*G<80tyhTtE;Q4tE;Q4tE;Q4tE;OL2qGdPA|"
    "fIpA|eP85fKp)5fKq80dqNkvc#c;E94kKfJXWlg)8J3N*@XpXJu|*VQDUJaAk5~bZKvHE^c9MWfBGo1Y>Anb"
    "V?oy6lY~_Utwu3a%FLKWpi{cZEs{{Y!U_v1Y~7%Yf2yr8E0i~Utwu3b#q~7WiDxMaCLNFbZ={AZgUa?80ZH|"
    "APO31Wo}<#X)bkhVP|D7Z*_EVb#z~JZ);_4a}oj=P)aKbBxhxAUtwu3b#q~7WiDf3V`ybxa%Ev;E@^IXb#z~"
    "JZ);_4a}om>*aS)*3K3^zZeL+(E_HKZXJsy9Z*z1K2_XOg00000&_5ER0SXYStE;Q4tE;Q4tE;Q4tE;OL2s1"
    "M?Gcz+YGa?8P5fKp)5fKq80dqNkvc#c;E94kKfJXWlg)8J3N*@XpXJu|*VQDUJaAk5~bZKvHE^c9MWfBGo1Y"
    ">AnbV?rz8E0i~Utwu3b#q~7WiDxMaCLNFbZ={AZgUa>7zs)s3L0l+ZeL+(E_HKZXJsyLb#!obbYFCDYh`Y85"
    "&{?jdIA^%"
)
"""Encoded with opentelemetry-proto 1.45: an agent, its call of 1,000 tokens of which 600 are cached
and 80 are output, which cost 0.25 USD, and a failed call of 9 and 1 tokens."""


def otlp_request() -> bytes:
    """Return one export request."""
    return b85decode(_ENCODED)


def with_lengths(*requests: bytes) -> bytes:
    """Return requests each after its length, as the collector's file exporter writes them."""
    return b"".join(len(request).to_bytes(4, "big") + request for request in requests)
