"""Every signature, certificate and cipher of the bus; nothing else in the code base imports `cryptography`.

keys          a system's or person's key with its certificate
custody       who holds a system's key: one port, files that are encrypted and private
jws           detached and compact JWS over exact bytes
receipt       a gateway's proof of passage
certificates  certificates as frozen facts, the trust store, its refreshing from НУЦ
cms           a person's signature as a structure: detached CAdES-BES and -T
documents     whether to believe a person's signature: numbered checks, frozen facts
ocsp          asking НУЦ about one certificate
revocation    what an authority says about a certificate, and how old the word is
der           a walk through foreign DER before a library reads it
agent         what a signing agent makes: CMS with or without data, over hashes, with time stamps
xmldsig       XML signatures in NCALayer's form
pdf           a page as PAdES: prepared, sealed, and anybody's checked (pdf_reading, in a process of its own)
authority     making certificates and CRLs in НУЦ's form
tokens        session tokens
sealing       encryption at rest
"""
