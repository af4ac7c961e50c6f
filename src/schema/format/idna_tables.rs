//! Character sets of IDNA2008, written as the inside of a class in the Rust regex syntax.
//!
//! The sets follow from the Unicode 14 data in two ways. The rules of RFC 5892 §2 and §3 exclude
//! characters that are unstable under NFKC and case folding, ignorable characters, old Hangul jamo,
//! and exceptions. RFC 5893 asks for the bidirectional classes.

/// The letters, digits and marks (`Ll Lo Lm Nd Mn Mc`) that RFC 5892 disallows.
pub(super) const DISALLOWED: &str = concat!(
    r"\u{AA}-\u{BA}\u{133}\u{140}\u{149}\u{17F}\u{1C6}-\u{1CC}\u{1F3}\u{2B0}-\u{2B8}",
    r"\u{2E0}-\u{2E4}\u{340}-\u{341}\u{343}-\u{345}\u{34F}\u{374}\u{37A}\u{3D0}-\u{3D6}",
    r"\u{3F0}-\u{3F2}\u{3F5}\u{587}\u{640}\u{675}-\u{678}\u{7FA}\u{958}-\u{95F}\u{9DC}-\u{9DF}",
    r"\u{A33}\u{A36}\u{A59}-\u{A5B}\u{A5E}\u{B5C}-\u{B5D}\u{E33}\u{EB3}\u{EDC}-\u{EDD}\u{F43}",
    r"\u{F4D}\u{F52}\u{F57}\u{F5C}\u{F69}\u{F73}\u{F75}-\u{F79}\u{F81}\u{F93}\u{F9D}\u{FA2}",
    r"\u{FA7}\u{FAC}\u{FB9}\u{10FC}\u{1100}-\u{11FF}\u{13F8}-\u{13FD}\u{17B4}-\u{17B5}",
    r"\u{180B}-\u{180F}\u{1C80}-\u{1C88}\u{1D2C}-\u{1D2E}\u{1D30}-\u{1D3A}\u{1D3C}-\u{1D4D}",
    r"\u{1D4F}-\u{1D6A}\u{1D78}\u{1D9B}-\u{1DBF}\u{1E9A}-\u{1E9B}\u{1F71}\u{1F73}\u{1F75}",
    r"\u{1F77}\u{1F79}\u{1F7B}\u{1F7D}-\u{1FA7}\u{1FB2}-\u{1FB4}\u{1FB7}-\u{1FC4}\u{1FC7}",
    r"\u{1FD3}\u{1FE3}\u{1FF2}-\u{1FF4}\u{1FF7}-\u{2149}\u{2C7C}-\u{2C7D}\u{2D6F}",
    r"\u{302E}-\u{303B}\u{309F}\u{30FF}\u{3131}-\u{318E}\u{A69C}-\u{A69D}\u{A770}",
    r"\u{A7F2}-\u{A7F4}\u{A7F8}-\u{A7F9}\u{A960}-\u{A97C}\u{AB5C}-\u{AB5F}\u{AB69}-\u{ABBF}",
    r"\u{D7B0}-\u{FA0D}\u{FA10}\u{FA12}\u{FA15}-\u{FA1E}\u{FA20}\u{FA22}\u{FA25}-\u{FA26}",
    r"\u{FA2A}-\u{FB1D}\u{FB1F}-\u{FE0F}\u{FE70}-\u{FE72}\u{FE74}-\u{FFDC}\u{10781}-\u{107BA}",
    r"\u{1D165}-\u{1D7FF}\u{1EE00}-\u{1FBF9}\u{2F800}-\u{2FA1D}\u{E0100}-\u{E01EF}",
);

/// The characters of the bidirectional classes R and AL.
pub(super) const RIGHT_TO_LEFT: &str = concat!(
    r"\u{5D0}-\u{5F4}\u{620}-\u{64A}\u{66E}-\u{66F}\u{671}-\u{6D5}\u{6E5}-\u{6E6}\u{6EE}-\u{6EF}",
    r"\u{6FA}-\u{710}\u{712}-\u{72F}\u{74D}-\u{7A5}\u{7B1}-\u{7EA}\u{7F4}-\u{7F5}\u{800}-\u{815}",
    r"\u{81A}\u{824}\u{828}\u{840}-\u{858}\u{860}-\u{88E}\u{8A0}-\u{8C9}\u{FE73}",
    r"\u{10800}-\u{10A00}\u{10A10}-\u{10A35}\u{10A60}-\u{10AE4}\u{10B00}-\u{10D23}",
    r"\u{10E80}-\u{10EA9}\u{10EB0}-\u{10F45}\u{10F70}-\u{10F81}\u{10FB0}-\u{10FF6}",
    r"\u{1E800}-\u{1E8C4}\u{1E922}-\u{1E943}\u{1E94B}-\u{1E959}",
);

/// The characters of the canonical combining class Virama.
pub(super) const VIRAMA: &str = concat!(
    r"\u{94D}\u{9CD}\u{A4D}\u{ACD}\u{B4D}\u{BCD}\u{C4D}\u{CCD}\u{D3B}-\u{D3C}\u{D4D}\u{DCA}",
    r"\u{E3A}\u{EBA}\u{F84}\u{1039}-\u{103A}\u{1714}-\u{1715}\u{1734}\u{17D2}\u{1A60}\u{1B44}",
    r"\u{1BAA}-\u{1BAB}\u{1BF2}-\u{1BF3}\u{2D7F}\u{A806}\u{A82C}\u{A8C4}\u{A953}\u{A9C0}\u{AAF6}",
    r"\u{ABED}\u{10A3F}\u{11046}\u{11070}\u{1107F}\u{110B9}\u{11133}-\u{11134}\u{111C0}\u{11235}",
    r"\u{112EA}\u{1134D}\u{11442}\u{114C2}\u{115BF}\u{1163F}\u{116B6}\u{1172B}\u{11839}",
    r"\u{1193D}-\u{1193E}\u{119E0}\u{11A34}\u{11A47}\u{11A99}\u{11C3F}\u{11D44}-\u{11D45}",
    r"\u{11D97}",
);
