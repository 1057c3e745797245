"""The machine code of the detour (detour.py), as a listing: bytes, and what they do.

It keeps all registers, calls, puts all registers back, and returns.  `block` stands for the
address behind the code, where that of its data lies.  Made with GNU as; SysV ABI, x86-64.
"""

from __future__ import annotations

LISTING = """
# entry:
eb17                 jmp again
488da42478ffffff     lea rsp,[rsp-0x88]
9c                   pushf
50                   push rax
488b0511010000       mov rax,[rip+0x111]
488b4008             mov rax,[rax+0x8]
eb19                 jmp save
# again:
488da42478ffffff     lea rsp,[rsp-0x88]
9c                   pushf
50                   push rax
488b05fa000000       mov rax,[rip+0xfa]
488b4008             mov rax,[rax+0x8]
488d40fe             lea rax,[rax-0x2]
# save:
4889442410           mov [rsp+0x10],rax
53                   push rbx
51                   push rcx
52                   push rdx
56                   push rsi
57                   push rdi
55                   push rbp
4150                 push r8
4151                 push r9
4152                 push r10
4153                 push r11
4154                 push r12
4155                 push r13
4156                 push r14
4157                 push r15
fc                   cld
4c8b25cf000000       mov r12,[rip+0xcf]
41c7042401000000     mov [r12],0x1
4889e5               mov rbp,rsp
31c9                 xor ecx,ecx
b80d000000           mov eax,0xd
0fa2                 cpuid
4829dc               sub rsp,rbx
4883e4c0             and rsp,0xffffffffffffffc0
4c89e3               mov rbx,r12
488dbc2400020000     lea rdi,[rsp+0x200]
31c0                 xor eax,eax
8d4808               lea ecx,[rax+0x8]
f348ab               rep stos es:[rdi],rax
83c8ff               or eax,0xffffffff
83caff               or edx,0xffffffff
480fae2424           xsave64 [rsp]
4989e5               mov r13,rsp
48896b18             mov [rbx+0x18],rbp
4c896b20             mov [rbx+0x20],r13
837b0400             cmp [rbx+0x4],0x0
742b                 je arm
ff5328               call [rbx+0x28]
85c0                 test eax,eax
7408                 je run
ff5350               call [rbx+0x50]
4885c0               test rax,rax
751c                 jne arm
# run:
ff5330               call [rbx+0x30]
4189c6               mov r14d,eax
488b7b58             mov rdi,[rbx+0x58]
ff5338               call [rbx+0x38]
4489f7               mov edi,r14d
ff5340               call [rbx+0x40]
c7431001000000       mov [rbx+0x10],0x1
eb15                 jmp out
# arm:
488b7b38             mov rdi,[rbx+0x38]
488b7358             mov rsi,[rbx+0x58]
ff5348               call [rbx+0x48]
c7431002000000       mov [rbx+0x10],0x2
894314               mov [rbx+0x14],eax
# out:
4c89ec               mov rsp,r13
83c8ff               or eax,0xffffffff
83caff               or edx,0xffffffff
480fae2c24           xrstor64 [rsp]
c70302000000         mov [rbx],0x2
4889ec               mov rsp,rbp
415f                 pop r15
415e                 pop r14
415d                 pop r13
415c                 pop r12
415b                 pop r11
415a                 pop r10
4159                 pop r9
4158                 pop r8
5d                   pop rbp
5f                   pop rdi
5e                   pop rsi
5a                   pop rdx
59                   pop rcx
5b                   pop rbx
58                   pop rax
9d                   popf
c28000               ret 0x80
# undo:
90                   nop
90                   nop
488b1d0a000000       mov rbx,[rip+0xa]
488b6b18             mov rbp,[rbx+0x18]
4c8b6b20             mov r13,[rbx+0x20]
ebbb                 jmp out
"""
CODE = bytes.fromhex("".join(line[:20] for line in LISTING.splitlines() if line[:1] != "#"))
BEHIND = 2  # bytes by which the kernel moves back
UNDO = len(CODE) - 19  # the place of `undo`
