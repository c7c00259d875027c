// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_PROVIDER_WYCHEPROOF_FAMILIES_H_
#define TESTS_PROVIDER_WYCHEPROOF_FAMILIES_H_

#include "provider/wycheproof_bench.h"

namespace provider::test::wycheproof {

// Each runs one vector in every way there is, and reads every field of it. By testGroups[].type:
void RunEcdsa(Bench& bench, const Vector& vector);
void RunEcdsaP1363(Bench& bench, const Vector& vector);
void RunEddsa(Bench& bench, const Vector& vector);
void RunRsaPkcs1Verify(Bench& bench, const Vector& vector);
void RunRsaPkcs1Generate(Bench& bench, const Vector& vector);
void RunRsaPss(Bench& bench, const Vector& vector);
void RunRsaPssWithParameters(Bench& bench, const Vector& vector);
void RunRsaOaep(Bench& bench, const Vector& vector);
void RunRsaPkcs1Decrypt(Bench& bench, const Vector& vector);
void RunEcdh(Bench& bench, const Vector& vector);
void RunEcdhPoint(Bench& bench, const Vector& vector);
void RunEcdhPem(Bench& bench, const Vector& vector);
void RunEcdhJwk(Bench& bench, const Vector& vector);
void RunXdh(Bench& bench, const Vector& vector);
void RunXdhDer(Bench& bench, const Vector& vector);
void RunXdhPem(Bench& bench, const Vector& vector);
void RunXdhJwk(Bench& bench, const Vector& vector);
void RunMlDsaVerify(Bench& bench, const Vector& vector);
void RunMlDsaSign(Bench& bench, const Vector& vector);
void RunMlKemKeygen(Bench& bench, const Vector& vector);
void RunMlKemEncapsulate(Bench& bench, const Vector& vector);
void RunMlKemDecapsulate(Bench& bench, const Vector& vector);
void RunMlKemExpandedKey(Bench& bench, const Vector& vector);
void RunAead(Bench& bench, const Vector& vector);
void RunDeterministicAead(Bench& bench, const Vector& vector);
void RunCipher(Bench& bench, const Vector& vector);
void RunKeyWrap(Bench& bench, const Vector& vector);
void RunMac(Bench& bench, const Vector& vector);
void RunMacWithIv(Bench& bench, const Vector& vector);
void RunHkdf(Bench& bench, const Vector& vector);
void RunPbkdf2(Bench& bench, const Vector& vector);
void RunPbes2(Bench& bench, const Vector& vector);

// What a group says about one key in several forms: that all of them are the one key is a test of
// the runner, not of the HSM, and fails the file.
void ExpectPem(const Fields& group, const char* pem, ByteView der);
void ExpectEnd(const char* what, ByteView der, ByteView end);

}  // namespace provider::test::wycheproof

#endif  // TESTS_PROVIDER_WYCHEPROOF_FAMILIES_H_
