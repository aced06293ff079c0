"""Every signature, certificate and cipher of the bus; nothing else in the code base imports `cryptography`.

keys          a system's or person's key with its certificate
jws           detached and compact JWS over exact bytes
receipt       a gateway's proof of passage
certificates  certificates as frozen facts, the trust store, its refreshing from НУЦ
cms           a person's detached CAdES-BES signature
agent         what a signing agent makes: CMS with or without data, over hashes, with time stamps
xmldsig       XML signatures in NCALayer's form
authority     making certificates and CRLs in НУЦ's form
tokens        session tokens
sealing       encryption at rest
"""
