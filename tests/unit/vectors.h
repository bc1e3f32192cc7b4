/* SPDX-License-Identifier: Apache-2.0 */
/* Keys with their check value and digests, computed with Python's zlib, hashlib and hmac. */
#ifndef APIKEY_VECTORS_H
#define APIKEY_VECTORS_H

typedef struct {
    const char *prefix;
    char kind;
    const char *key;
    const char *crc32;  /* of everything before the check, hexadecimal */
    const char *sha256; /* of the key */
    const char *hmac;   /* HMAC-SHA-256 with the pepper 00 01 02 ... 1f */
} vector_t;

static const vector_t vectors[] = {
    {"ak", 'u', "ak_u_000000000000000000000000000000002HZGCL", "7caf5bf5",
     "89ab237e87ac0c0391a5826c151338c58a63256bc94d19d0a7fa4da89a53f1e4",
     "36cd6c7207c819ceadea21341118c27ece4978455fd56546382ebd75dd8257ce"},
    {"ak", 't', "ak_t_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz0GLdYf", "0e663159",
     "e3ed500e246d41f874baf6638c8a35ffbbc7ad9c716362e9dd3b9f379ef2f613",
     "92c107efb82319dc6f120056ee6823ae801453d98f31b1ea1950d28e1c895026"},
    {"ak", 'u', "ak_u_0123456789ABCDEFGHIJKLMNOPQRSTUV2LoxWw", "806e5366",
     "9ac7b7bda4d2b5ff0f2bc7aec1cb403c0d9a9efffbb9c1f25d3d21ccb9f8dd19",
     "562933d57ce7d388690830140965edafab42d6b1fdfa4e71dddd230a9e53643c"},
    {"acme", 't', "acme_t_abcdefghijklmnopqrstuvwxyz0123452isous", "94be275e",
     "2b42e6b5c5337cbc22b17cd8f0538f968a9fcb8588c5f9b8307eaeb88223680c",
     "624b6f671e11b18977e83725d849c8e768412fc3aaa87c63c53a020050612864"},
    {"x1", 'u', "x1_u_Zz9Yy8Xx7Ww6Vv5Uu4Tt3Ss2Rr1Qq0Pp22oTlK", "6fb0ab3a",
     "fc6353a7a903d8afa187d6ef8129650d2cfbe9f0825f2e9cf3af8d3ee6cde497",
     "190b3c62016759043a0f6ed9d556fa85a137d9294c0b5a3d2566a4ca463f884a"},
    /* a check value that needs its leading zeros */
    {"ak", 'u', "ak_u_00000000000000000000000000000150007MQR", "001ac587",
     "9aba860a88551d07f3545d1598958661cd99d994d9e54b7286a209ff3a4a6b4b",
     "aba559b21a5692c56b87a811067769c4a9010d18270da082d8fc22df8845f75f"},
};

#endif
