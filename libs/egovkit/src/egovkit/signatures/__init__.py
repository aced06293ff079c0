"""Every signature, certificate and cipher of the bus; nothing else in the code base imports `cryptography`.

keys          a system's or person's key with its certificate
jws           detached and compact JWS over exact bytes
receipt       a gateway's proof of passage
certificates  certificates as frozen facts, the trust store, its refreshing from НУЦ
cms           a person's detached CAdES-BES signature
pdf           a page as PAdES: prepared, sealed, and anybody's checked (pdf_reading, in a process of its own)
authority     making certificates and CRLs in НУЦ's form
tokens        session tokens
sealing       encryption at rest
"""
