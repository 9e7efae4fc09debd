//go:build !purego

#include "textflag.h"

// The sum of the 16-bit words is, modulo 0xFFFF, that of the 32-bit halves of the 64-bit words. Of
// those, Y0 and Y1 add the whole words modulo 2^64, and Y2 and Y3 the upper halves, which do not
// overflow before 2^32 words. What the lower halves make is the difference,
//
//	sum(word) - sum(upper)<<32 modulo 2^64
//
// and does not overflow either: three instructions for 32 octets, none of which has a carry.

// FOLD leaves the sum of upper and lower halves in AX.
#define FOLD \
	VPADDQ Y1, Y0, Y0          \
	VPADDQ Y3, Y2, Y2          \
	VPSLLQ $32, Y2, Y1         \
	VPSUBQ Y1, Y0, Y0          \
	VPADDQ Y2, Y0, Y0          \
	VEXTRACTI128 $1, Y0, X1    \
	VPADDQ X1, X0, X0          \
	VPSHUFD $0x4E, X0, X1      \
	VPADDQ X1, X0, X0          \
	VMOVQ X0, AX

// func sumAVX2(b *byte, n int) uint64
TEXT ·sumAVX2(SB), NOSPLIT, $0-24
	MOVQ  b+0(FP), SI
	MOVQ  n+8(FP), CX
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	SUBQ  $128, CX
	JB    rest

four:
	VMOVDQU (SI), Y4
	VMOVDQU 32(SI), Y5
	VMOVDQU 64(SI), Y6
	VMOVDQU 96(SI), Y7
	ADDQ    $128, SI
	VPADDQ  Y4, Y0, Y0
	VPSRLQ  $32, Y4, Y4
	VPADDQ  Y5, Y1, Y1
	VPSRLQ  $32, Y5, Y5
	VPADDQ  Y4, Y2, Y2
	VPADDQ  Y5, Y3, Y3
	VPADDQ  Y6, Y0, Y0
	VPSRLQ  $32, Y6, Y6
	VPADDQ  Y7, Y1, Y1
	VPSRLQ  $32, Y7, Y7
	VPADDQ  Y6, Y2, Y2
	VPADDQ  Y7, Y3, Y3
	SUBQ    $128, CX
	JAE     four

rest:
	ADDQ $128, CX
	JEQ  fold

one:
	VMOVDQU (SI), Y4
	ADDQ    $32, SI
	VPADDQ  Y4, Y0, Y0
	VPSRLQ  $32, Y4, Y4
	VPADDQ  Y4, Y2, Y2
	SUBQ    $32, CX
	JNE     one

fold:
	FOLD
	VZEROUPPER
	MOVQ AX, ret+16(FP)
	RET

// func copySumAVX2(dst, src *byte, n int) uint64
TEXT ·copySumAVX2(SB), NOSPLIT, $0-32
	MOVQ  dst+0(FP), DI
	MOVQ  src+8(FP), SI
	MOVQ  n+16(FP), CX
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	SUBQ  $128, CX
	JB    rest

four:
	VMOVDQU (SI), Y4
	VMOVDQU 32(SI), Y5
	VMOVDQU 64(SI), Y6
	VMOVDQU 96(SI), Y7
	ADDQ    $128, SI
	VMOVDQU Y4, (DI)
	VMOVDQU Y5, 32(DI)
	VMOVDQU Y6, 64(DI)
	VMOVDQU Y7, 96(DI)
	ADDQ    $128, DI
	VPADDQ  Y4, Y0, Y0
	VPSRLQ  $32, Y4, Y4
	VPADDQ  Y5, Y1, Y1
	VPSRLQ  $32, Y5, Y5
	VPADDQ  Y4, Y2, Y2
	VPADDQ  Y5, Y3, Y3
	VPADDQ  Y6, Y0, Y0
	VPSRLQ  $32, Y6, Y6
	VPADDQ  Y7, Y1, Y1
	VPSRLQ  $32, Y7, Y7
	VPADDQ  Y6, Y2, Y2
	VPADDQ  Y7, Y3, Y3
	SUBQ    $128, CX
	JAE     four

rest:
	ADDQ $128, CX
	JEQ  fold

one:
	VMOVDQU (SI), Y4
	ADDQ    $32, SI
	VMOVDQU Y4, (DI)
	ADDQ    $32, DI
	VPADDQ  Y4, Y0, Y0
	VPSRLQ  $32, Y4, Y4
	VPADDQ  Y4, Y2, Y2
	SUBQ    $32, CX
	JNE     one

fold:
	FOLD
	VZEROUPPER
	MOVQ AX, ret+24(FP)
	RET

// func hasAVX2() bool
TEXT ·hasAVX2(SB), NOSPLIT, $0-1
	MOVB $0, ret+0(FP)

	// Leaf 7 must exist.
	XORL AX, AX
	XORL CX, CX
	CPUID
	CMPL AX, $7
	JLT  no

	// Leaf 1: OSXSAVE (bit 27 of ECX), without which XGETBV is an illegal instruction, and AVX (28).
	MOVL $1, AX
	XORL CX, CX
	CPUID
	ANDL $0x18000000, CX
	CMPL CX, $0x18000000
	JNE  no

	// Leaf 7: AVX2 (bit 5 of EBX).
	MOVL  $7, AX
	XORL  CX, CX
	CPUID
	TESTL $0x20, BX
	JEQ   no

	// The operating system must keep the XMM and YMM registers (bits 1 and 2 of XCR0).
	XORL CX, CX
	XGETBV
	ANDL $6, AX
	CMPL AX, $6
	JNE  no
	MOVB $1, ret+0(FP)

no:
	RET
